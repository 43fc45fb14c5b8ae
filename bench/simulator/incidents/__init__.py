"""Misuse, one scenario a file. A new scenario is a new file; nothing else changes.

Each file has `SCENARIO`, its short name in the labels, and `benchmark(world, level, rng)`, which
makes one incident of that level somewhere in the last year simulated, or returns None when the
city offers no place for it. Levels: 1 is ten standard deviations, 2 five, 3 three; 4 is three with an
evasion, which the file's `benchmark` names.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

from numpy.random import Generator

from bench.simulator.incident import Incident
from bench.simulator.world import World

Benchmark = Callable[[World, int, Generator], Incident | None]


def discover() -> dict[str, Benchmark]:
    """All scenarios by name, in order of name. Raises TypeError for a file that lacks its parts."""
    found: dict[str, Benchmark] = {}
    for module_info in iter_modules(__path__, f"{__name__}."):
        module = import_module(module_info.name)
        scenario, benchmark = getattr(module, "SCENARIO", None), getattr(module, "benchmark", None)
        if not isinstance(scenario, str) or not callable(benchmark):
            raise TypeError(f"{module_info.name} must define SCENARIO and benchmark(world, level, rng)")
        if scenario in found:
            raise TypeError(f"{module_info.name}: scenario {scenario} exists already")
        found[scenario] = benchmark
    return dict(sorted(found.items()))

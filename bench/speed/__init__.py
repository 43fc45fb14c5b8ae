"""The benchmarks of `./probewatch bench`, one a file, found by being there.

A file NAME.py has a function `bench` whose parameters are the options of `./probewatch bench NAME`,
whose docstring is its help, and which returns a `bench.figures.Report`. `bench all` runs each with
its defaults; ORDER says in which order its table has them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import wraps
from typing import Any

from bench.figures import Report
from bench.processes import Others

#: The order of the targets; whatever is not named comes last.
ORDER = (
    "throughput", "peers", "latency", "costs", "replay", "backtest", "keys", "memory", "start", "workers",
    "inbox", "instructions", "simulate",
)  # fmt: skip

Bench = Callable[..., Report]


def names() -> list[str]:
    """All benchmarks, without loading them."""
    found = sorted(entry.name for entry in pkgutil.iter_modules(__path__))
    return sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def load(name: str) -> Bench:
    """The function of a benchmark, with a look at what else the machine did.

    Raises ModuleNotFoundError when there is none of that name.
    """
    found: Bench = importlib.import_module(f"{__name__}.{name}").bench

    @wraps(found)
    def watched(*given: Any, **options: Any) -> Report:
        with Others() as others:
            report = found(*given, **options)
        report.disturbed(others.cores)
        return report

    return watched

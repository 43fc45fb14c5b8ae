"""From a scale and a seed to a directory: the one entry to the simulator."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from bench.simulator.arrival import deliver
from bench.simulator.benchmark import SCALES as VOLUMES
from bench.simulator.benchmark import benchmark
from bench.simulator.city import City
from bench.simulator.demo import demo
from bench.simulator.protests import read_real
from bench.simulator.world import SECOND, TOOLS, World
from bench.simulator.writing import Written, write

DEMO = "demo"
SCALES = (*VOLUMES, DEMO)
#: The shipped policy that a made-up city's is modelled on, but for one clause.
MODEL, NOT_OURS = "los-angeles-2021.yaml", "-outside-agencies"


def build(scale: str, seed: int, years: int = 3) -> World:
    """The world of a scale, not delivered yet. `years` counts for the benchmark's scales alone.

    Raises ValueError for an unknown scale, a negative seed or less than one year.
    """
    if seed < 0 or years < 1:
        raise ValueError(f"the seed must not be negative and years must be at least 1, not {seed}, {years}")
    if scale == DEMO:
        return demo(seed)
    if scale not in VOLUMES:
        raise ValueError(f"unknown scale {scale!r}: choose one of {', '.join(SCALES)}")
    return benchmark(scale, years, seed)


def simulate(world: World, out: Path, shipped: Path) -> Written:
    """Deliver a world's log and write everything into `out`.

    `shipped` is the folder of the shipped configuration: its register of tools is taken over, and
    for Los Angeles its calendar too. Raises FileNotFoundError when a file is not there.
    """
    calendar: Iterable[dict[str, str]] = (protest.line(world.city) for protest in world.protests)
    if not world.protests:
        calendar = read_real(shipped / "calendar.csv", world.city.agency_id)
    register = tools(world, shipped / "tools.yaml")
    return write(world, deliver(world), out, calendar, register, packs(world.city, shipped / "policy"))


def packs(city: City, shipped: Path) -> dict[str, Any]:
    """The policies of a city that are not shipped, by name: that of Los Angeles without the clause
    on outside agencies, under ids of its own."""
    made: dict[str, Any] = {}
    for name in city.policies:
        if not (shipped / f"{name}.yaml").exists():
            pack = yaml.safe_load((shipped / MODEL).read_text(encoding="utf-8"))
            clauses = [one for one in pack["clauses"] if not one["id"].endswith(NOT_OURS)]
            for one in clauses:
                one["id"] = city.clause(one["id"].partition("-")[2])
            made[name] = pack | {
                "name": name, "title": f"{city.name}: rules as in Los Angeles", "jurisdiction": city.name,
                "clauses": clauses,
            }  # fmt: skip
    return made


def tools(world: World, shipped: Path) -> dict[str, Any]:
    """The shipped register of tools, with those that the simulated agency may use."""
    city = world.city
    register: dict[str, Any] = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    approval: dict[str, Any] = {
        "agency_id": city.agency_id,
        "valid_from": "2009-11-06",
        "source": "simulated",
    }
    for tool in register["tools"]:
        approvals = tool.setdefault("approvals", [])
        if tool["tool"] == "lacris" and all(one["agency_id"] != city.agency_id for one in approvals):
            approvals.append(_dated(approval))
    if city.second_tool_until is not None:
        approval["valid_to"] = city.second_tool_until.isoformat()
    register["tools"].append(_tool(TOOLS[SECOND], approval))
    for new, day in world.approved.items():
        since = approval | {"valid_from": world.clock.date(day).isoformat()}
        register["tools"].append(_tool(world.tools[new], since))
    for old, new in world.renamed.items():
        for tool in register["tools"]:
            if world.tools[old] in tool.get("aliases", ()):
                tool["aliases"].append(world.tools[new])
    return register


def _tool(name: str, approval: dict[str, Any]) -> dict[str, Any]:
    return {"tool": name.lower().replace(" ", "-"), "name": name, "approvals": [_dated(approval)]}


def _dated(approval: dict[str, Any]) -> dict[str, Any]:
    """With real dates, which YAML writes without quotes."""
    return {
        key: yaml.safe_load(value) if key.startswith("valid_") else value for key, value in approval.items()
    }

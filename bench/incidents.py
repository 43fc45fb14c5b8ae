"""The demo's incidents over many seeds: which were caught, after how long, at how many false alerts.

`python -m bench.incidents [--seeds 100-111] [--json]` simulates the demo for every seed, replays it with
the shipped configuration and evaluates the alerts; two seeds at a time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from datetime import timedelta
from multiprocessing import Pool
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.evaluation import evaluate
from bench.labels import read_labels
from bench.officer_days import officer_days
from bench.scorecard import in_words
from bench.simulator.generate import build, simulate
from models.detectors import settings_types
from models.ticking import Ticker
from streams.configuration import load
from streams.replay import Replay, replay
from streams.settings import load_settings
from streams.stages import pipeline
from streams.survey import survey

SHIPPED = Path(__file__).parents[1] / "config"


def one_seed(seed: int) -> dict[str, Any]:
    """Simulate, replay and evaluate one seed."""
    with tempfile.TemporaryDirectory(prefix="probewatch-incidents-") as folder:
        place = Path(folder)
        world = build("demo", seed, 2)
        simulate(world, place, SHIPPED)
        configuration = load(place, SHIPPED, settings_types())
        file = place / "events.jsonl"
        machine = pipeline(load_settings(config_dir=place), configuration)
        result = Replay()
        for growing in replay([file], machine, Ticker(sources=survey([file]).sources)):
            result = growing
        found = evaluate(
            result.stream,
            read_labels(place / "labels.jsonl"),
            decoys=read_labels(place / "decoys.jsonl"),
            officer_days=officer_days(place / "roster.csv", world.city.first, world.city.last),
        )
    return {
        "seed": seed,
        "delays": {
            one.label.scenario: one.delay.total_seconds() if one.delay is not None else None
            for one in found.told
        },
        "caught": found.caught,
        "incidents": len(found.told),
        "false_by_detector": found.false_by_detector,
        "false_per_day_per_1000": found.per_day_per_1000(len(found.false_alerts)),
        "false_policy": len(found.false_policy),
        "decoys": len(found.decoys),
    }


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """A row a seed, and the sums."""
    scenarios = sorted({name for row in rows for name in row["delays"]})
    table = Table(
        "seed", "caught", *scenarios, "false/day/1,000", "false policy", "decoys", title="Incidents"
    )
    for row in rows:
        delays = [row["delays"].get(name) for name in scenarios]
        told = ["missed" if one is None else in_words(timedelta(seconds=one)) for one in delays]
        rate = f"{row['false_per_day_per_1000']:.3f}"
        caught = f"{row['caught']}/{row['incidents']}"
        table.add_row(str(row["seed"]), caught, *told, rate, str(row["false_policy"]), str(row["decoys"]))
    console.print(table)
    rates = [row["false_per_day_per_1000"] for row in rows]
    totals: Counter[str] = Counter()
    for row in rows:
        totals.update(row["false_by_detector"])
    spread = f"mean {mean(rates):.3f}, largest {max(rates):.3f}"
    console.print(f"false alerts a day per 1,000 officers: {spread}; {dict(totals)}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="100-111", help="FIRST-LAST, both included")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    given = parser.parse_args()
    first, last = map(int, given.seeds.split("-"))
    with Pool(2) as pool:
        rows = pool.map(one_seed, range(first, last + 1), chunksize=1)
    show(rows, Console(stderr=given.json, width=170))
    if given.json:
        print(json.dumps({"seeds": rows}))


if __name__ == "__main__":
    main()

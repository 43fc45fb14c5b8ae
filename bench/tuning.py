"""Does a tuned detector tell more on logs it never saw, at the same alert budget?

`python -m bench.tuning` simulates cities, tunes a stanza on some seeds, and compares the settings as they
are shipped with the tuned ones on others. On each of those the threshold that spends the budget is set on
the honest year and read on the next, for both alike. Settings that hold back much cannot spend a budget; so
the tuned ones are also read at what the shipped ones do spend on the honest year, alert for alert.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from analysis.labels import simulated
from analysis.opening import open_subject
from analysis.packs import find_stanza, take_in
from analysis.tuning.ranges import ranges
from analysis.tuning.search import Found, search
from analysis.tuning.study import Study
from bench.detection.__main__ import numbers
from bench.simulator.generate import build, simulate
from models.analysis.folds import Fold
from models.analysis.tradeoff import Tally, together
from streams.commands.config import SHIPPED
from streams.documentation.tables import table

YEARS = 3


def study(scale: str, seed: int, stanza: str, folder: Path) -> Study:
    """A simulated city, taken in."""
    simulate(build(scale, seed, YEARS), folder, SHIPPED)
    subject = open_subject(folder)
    taken = take_in(subject, [folder / "events.jsonl"])
    return Study(taken, find_stanza(subject, stanza), simulated(folder / "labels.jsonl"))


def shown(found: Found, unseen: dict[int, tuple[Tally, Tally, Tally]], command: str) -> str:
    """The tables in Markdown."""
    rows = [
        (str(seed), *(cell for one in both for cell in _cells(one))) for seed, both in sorted(unseen.items())
    ]
    whole = [together(both[place] for both in unseen.values()) for place in range(3)]
    rows.append(("all", *(cell for one in whole for cell in _cells(one))))
    beside = ("alerts a day", "false a day")
    heads = (
        "unseen seed",
        "as shipped",
        *beside,
        "tuned",
        *beside,
        "tuned, as many alerts as shipped",
        *beside,
    )
    changes = [
        (name, str(found.trials[0].values[name]), f"{value:.4g}" if isinstance(value, float) else str(value))
        for name, value in found.chosen.values.items()
    ]
    return (
        f"Printed by\n\n```\n{command}\n```\n\n"
        + table(("setting", "shipped", "tuned"), changes)
        + "\n"
        + table(heads, rows)
    )


def compared(study: Study, found: Found, budget: float) -> tuple[Tally, Tally, Tally]:
    """What is told on the year after the honest one: as shipped, tuned, and tuned with no more alerts on the
    honest year than as shipped."""
    (fold,) = study.folds(1)
    shipped, tuned = (study.hear(one.values) for one in (found.trials[0], found.chosen))
    least, tally = study.at(shipped, fold, budget)
    spent = study.read(shipped, Fold(fold.since, fold.since, fold.first), least).tally.alerts_a_day
    return tally, study.at(tuned, fold, budget).tally, study.at(tuned, fold, spent).tally


def _cells(one: Tally) -> tuple[str, str, str]:
    return f"{one.told} of {one.incidents}", f"{one.alerts_a_day:.3f}", f"{one.false_a_day:.3f}"


def main() -> None:
    """Run what the command line says. Ends with 1 when tuning tells no more on the unseen seeds."""
    parser = argparse.ArgumentParser(prog="python -m bench.tuning", description=__doc__.split("\n")[0])
    parser.add_argument("--stanza", default="on_behalf")
    parser.add_argument("--vary", nargs="*", default=["minimum_count"])
    parser.add_argument("--budget", type=float, default=0.05, help="alerts a day")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--seeds", nargs="+", default=["0-1"], metavar="FIRST-LAST", help="to tune on")
    parser.add_argument(
        "--unseen", nargs="+", default=["100-103"], metavar="FIRST-LAST", help="to compare on"
    )
    parser.add_argument("--scale", default="20k")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    given = parser.parse_args()
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    with tempfile.TemporaryDirectory(prefix="probewatch-tuning-") as name:
        studies = [
            study(given.scale, seed, given.stanza, Path(name) / str(seed)) for seed in numbers(given.seeds)
        ]
        found = search(
            studies, ranges(studies[0].stanza.settings, given.vary), budget=given.budget, number=given.trials,
            folds=3, seed=0, jobs=os.cpu_count() or 1,
        )  # fmt: skip
        unseen: dict[int, tuple[Tally, Tally, Tally]] = {}
        for seed in numbers(given.unseen):
            one = study(given.scale, seed, given.stanza, Path(name) / str(seed))
            unseen[seed] = compared(one, found, given.budget)
            said = ", ".join(str(tally.told) for tally in unseen[seed])
            console.print(f"seed {seed}: {said} of {unseen[seed][0].incidents}", markup=False)
    words = ["python -m bench.tuning", f"--stanza {given.stanza} --vary {' '.join(given.vary)}",
             f"--budget {given.budget:g} --trials {given.trials} --seeds {' '.join(given.seeds)}",
             f"--unseen {' '.join(given.unseen)} --scale {given.scale}"]  # fmt: skip
    console.print(Markdown(shown(found, unseen, " ".join(words))))
    told = [sum(both[place].told for both in unseen.values()) for place in range(3)]
    if given.json:
        rows = {seed: [one._asdict() for one in both] for seed, both in unseen.items()}
        print(json.dumps({"values": found.chosen.values, "told": told, "unseen": rows}))
    sys.exit(told[1] <= told[0])


if __name__ == "__main__":
    main()

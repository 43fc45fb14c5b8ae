"""The command line of the detection benchmark."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from bench.detection import __doc__ as about
from bench.detection import external
from bench.detection.page import BEGIN_REAL, END_REAL, by_scale, measured_part, replace_part, write
from bench.detection.run import Seed, as_json, one_seed
from bench.simulator.benchmark import SCALES


def numbers(words: list[str]) -> list[int]:
    """Seeds as they are written: single ones and ranges, both ends included.

    >>> numbers(["0-2", "100"])
    [0, 1, 2, 100]
    """
    found: list[int] = []
    for word in words:
        first, _, last = word.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def main() -> None:
    """Run what the command line says. Ends with 1 when the page has no markers or a seed cannot be played."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.detection",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", nargs="+", default=["0-9", "100-119"], metavar="FIRST-LAST")
    parser.add_argument("--scales", nargs="+", default=["20k"], choices=tuple(SCALES))
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="SETTING=VALUE", help="of the opened detectors that have it"
    )
    parser.add_argument(
        "--page", type=Path, help="rewrite what this page says of the scales, and its pictures"
    )
    parser.add_argument("--jobs", type=int, default=1, help="seeds played at once, each in a process")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument(
        "--external", type=Path, metavar="LOG", help="instead: tails and Farrington on a real log (CSV)"
    )
    parser.add_argument("--zone", default="America/Los_Angeles", help="time zone of the real log")
    given = parser.parse_args()
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    if given.external is not None:
        _external(given.external, given.zone, given.page, console)
        return
    changes = {name: json.loads(value) for name, _, value in (one.partition("=") for one in given.set)}
    seeds: list[Seed] = []
    broken: list[str] = []
    asked = [(scale, seed) for scale in given.scales for seed in numbers(given.seeds)]
    with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
        playing = [pool.submit(one_seed, scale, seed, changes) for scale, seed in asked]
        for (scale, seed), one in zip(asked, playing, strict=True):
            try:
                seeds.append(one.result())
                console.print(f"{scale}, seed {seed}: {seeds[-1].seconds:.0f} s", markup=False)
            except Exception as error:  # one seed that cannot be played must not cost all the others
                broken.append(f"{scale}, seed {seed}: {error}")
                console.print(broken[-1], style="bold red", markup=False)
    for name, why in sorted({item for one in seeds for item in one.skipped.items()}):
        console.print(f"SKIPPED: {name}: {why}", style="bold red", markup=False)
    command = f"python -m bench.detection --seeds {' '.join(given.seeds)} --scales {' '.join(given.scales)}"
    if given.set:
        command += f" --set {' '.join(given.set)}"
    for scale, own in by_scale(seeds):
        console.print(Markdown(measured_part(own, command, f"detection-{scale}.svg")))
    if given.page is not None:
        _or_end(console, lambda: write(given.page, seeds, f"{command} --page {given.page}"))
    if given.json:
        print(as_json(seeds).decode())
    if broken:
        raise SystemExit("these seeds are missing: " + "; ".join(broken))


def _external(log: Path, zone: str, page: Path | None, console: Console) -> None:
    """The real log; a missing one is skipped loudly and leaves the page as it is."""
    if not log.is_file():
        why = f"SKIPPED: {log} is not there; docs/eugene.md says where to get the log."
        console.print(why, style="bold red", markup=False)
        return
    found = external.report(log, zone)
    console.print(Markdown(found))
    if page is not None:
        command = f"python -m bench.detection --external {log.name} --page {page}"
        part = f"Printed by\n\n```\n{command}\n```\n\n{found}"
        _or_end(console, lambda: replace_part(page, BEGIN_REAL, END_REAL, part))


def _or_end(console: Console, do: Callable[[], None]) -> None:
    """Do it, or end with 1 and a sentence that says why not."""
    try:
        do()
    except (OSError, ValueError) as error:
        console.print(str(error), style="red", markup=False)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()

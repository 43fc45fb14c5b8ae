"""Seeded faults against three real workers: `make chaos SEEDS=500`, and the same with `BROKER=kafka`.

A seed gives a log, with repeats, dead letters and a wrong clock in it, and a schedule of faults
(`schedule.py`); `run.py` plays it, and `verdict.py` compares what stands on Kafka afterwards with a
single thread that reads the same messages. Several seeds are played at once, each with a broker or
a cluster of its own, because most of a run is waiting for time-outs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path

from tests.delivery.crew import end_with_parent
from tests.delivery.run import Outcome, play
from tests.delivery.schedule import FAULTS, Kind
from tests.delivery.sites import Sites

#: Seeds played at once: workers mostly wait, Apache Kafka itself does not.
AT_ONCE: dict[Kind, int] = {"embedded": 4, "kafka": 1}
#: Where the logs of seeds go that deviate.
KEPT = Path("build") / "chaos"


def play_all(seeds: Iterable[int], kind: Kind, folder: Path, at_once: int | None = None) -> Iterator[Outcome]:
    """The outcomes of these seeds, as they come in. Raises KafkaMissing where Kafka cannot be had."""
    # Processes, not threads: each lane has children of its own to look after, and much to compute.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once or AT_ONCE[kind], context, initializer=end_with_parent) as lanes:
        playing = [lanes.submit(_play, seed, kind, str(folder)) for seed in seeds]
        try:
            for one in as_completed(playing):
                yield one.result()
        finally:
            lanes.shutdown(wait=True, cancel_futures=True)


@cache
def _sites(folder: str) -> Sites:
    return Sites(Path(tempfile.mkdtemp(prefix="lane-", dir=folder)))


def _play(seed: int, kind: Kind, folder: str) -> Outcome:
    """In a lane."""
    place = Path(folder) / f"seed-{seed}"
    place.mkdir()
    outcome = play(seed, kind, place, _sites(folder))
    if outcome.deviations:
        kept = KEPT / f"{kind}-seed-{seed}"
        shutil.copytree(place, kept, dirs_exist_ok=True)
        (kept / "deviations.txt").write_text(
            "\n".join(f"{one.kind}: {one.text}" for one in outcome.deviations)
        )
    shutil.rmtree(place, ignore_errors=True)
    return outcome


def summary(outcomes: Sequence[Outcome], kind: Kind, seconds: float) -> list[str]:
    """What a person wants to know of many seeds, line by line."""
    planned = Counter(fault for one in outcomes for fault in one.planned)
    happened, ends, deviations = Counter[str](), Counter[str](), Counter[str]()
    for one in outcomes:
        happened.update(one.happened)
        ends.update(one.ends)
        deviations.update(deviation.kind for deviation in one.deviations)
    messages, alerts, repeats, looks, workers = (
        sum(getattr(one, name) for one in outcomes)
        for name in ("messages", "alerts", "repeats", "looks", "workers")
    )
    times = sorted(one.seconds for one in outcomes)
    broker = {"embedded": "the embedded broker", "kafka": "Apache Kafka"}[kind]
    return [
        f"{len(outcomes)} seeds on {broker} in {seconds / 60:.1f} minutes,"
        f" {times[len(times) // 2]:.0f} s each (median; longest {times[-1]:.0f} s)",
        f"{messages:,} messages, {alerts:,} alerts, {workers:,} workers started",
        "",
        f"{'fault':<18}{'seeds':>7}{'times it happened':>20}",
        *(f"{name:<18}{planned[name]:>7}{happened[name]:>20}" for name in FAULTS[kind]),
        "",
        "how workers ended",
        *(f"{number:>7}  {how}" for how, number in ends.most_common()),
        "",
        f"{repeats:,} alert records were written again, with the same content",
        f"{looks:,} times the committed offsets were compared with the state during a run",
        "",
        *(
            [f"{number:>7} deviations: {what}" for what, number in deviations.most_common()]
            or ["no deviation"]
        ),
    ]


def main() -> int:
    """Play seeds; 1 when one of them deviates, or when a fault did not happen."""
    options = argparse.ArgumentParser(description="Seeded faults against three workers.")
    options.add_argument("--seeds", type=int, default=20, help="how many seeds, from 0 on")
    options.add_argument("--only", type=int, nargs="+", help="these seeds instead, to repeat them")
    options.add_argument("--broker", choices=list(FAULTS), default="embedded")
    options.add_argument("--minutes", type=float, default=float("inf"), help="then no more seeds are begun")
    options.add_argument("--at-once", type=int, help="seeds played at once")
    asked = options.parse_args()
    began = time.monotonic()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="probewatch-chaos-") as folder:
        for one in play_all(asked.only or range(asked.seeds), asked.broker, Path(folder), asked.at_once):
            outcomes.append(one)
            verdict = "DEVIATES" if one.deviations else "silent" if one.silent else "ok"
            print(f"seed {one.seed:4}  {one.seconds:5.1f} s  {verdict}  ({one.schedule})", flush=True)
            for deviation in one.deviations:
                print(f"           {deviation.kind}: {deviation.text}", flush=True)
            if one.silent:
                print(f"           did not happen: {', '.join(one.silent)}", flush=True)
            if time.monotonic() - began > 60 * asked.minutes:
                break
    print("\n" + "\n".join(summary(outcomes, asked.broker, time.monotonic() - began)))
    wrong = sorted(one.seed for one in outcomes if one.deviations or one.silent)
    if wrong:
        which = "" if asked.broker == "embedded" else f" BROKER={asked.broker}"
        print(f"repeat with: make chaos ONLY='{' '.join(map(str, wrong))}'{which}; logs are in {KEPT}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

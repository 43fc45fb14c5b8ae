"""The same questions to a real log, where nobody is known to be honest."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.baselines import Skipped
from bench.baselines.farrington import Farrington
from bench.detection.log import Counts, Line, Log
from bench.detection.page import tail_table
from bench.detection.tails import GRID, unknown_tails
from models.detectors.high_count import HighCountSettings
from streams.documentation.tables import table

#: Days that are learned from before the first is judged.
LEARNED = 60
#: A few hundred days say nothing of rarer ones.
SERIES_LEVELS = (0.1, 0.05, 0.01)
AGENCY = "log"


def report(path: Path, zone: str) -> str:
    """Tail ratios on a log with the columns id, userId, searchDate (UTC), and Farrington's on its daily
    sums. What cannot be run says so loudly."""
    if not path.is_file():
        return f"SKIPPED: {path} is not there; docs/eugene.md says where to get the log."
    log = read(path, zone)
    users = sorted({line.requester_id for line in log.lines})
    span = (log.first + LEARNED, log.last)
    by_user = _counts(log, "requester", users)
    settings = HighCountSettings(of="searches")
    parts = [
        f"{path.name}: {len(log.lines):,} searches by {len(users)} users in {log.last - log.first} days.\n",
        f"Observed over nominal tails of high_count by user, from day {LEARNED} on:\n",
        tail_table(unknown_tails(by_user, settings, span)),
    ]
    return "\n".join([*parts, _series(_counts(log, "agency", [AGENCY]), span)])


def read(path: Path, zone: str) -> Log:
    """The log as searches of one agency. Raises KeyError for a missing column."""
    with path.open(newline="", encoding="utf-8-sig") as rows:
        lines = [
            Line(
                event_id=row["id"],
                event_time=datetime.fromisoformat(row["searchDate"]).replace(tzinfo=UTC),
                requester_id=row["userId"],
                agency_id=AGENCY,
                tool="",
            )
            for row in csv.DictReader(rows)
        ]
    return Log(lines, zone)


def _counts(log: Log, kind: str, keys: list[str]) -> Counts:
    return log.counts(kind, keys, np.ones((len(keys), log.last - log.first), np.bool_))


def _series(agency: Counts, span: tuple[int, int]) -> str:
    """Farrington's tails on the daily sums beside those of high_count on the same numbers."""
    settings = HighCountSettings(by="agency", over="none", of="searches", windows=(1,), half_life_days=60)
    ours = unknown_tails(agency, settings, span)
    days = int(ours.judged.sum())
    shares = np.interp(SERIES_LEVELS, GRID, ours.spread.sum(axis=0) / max(days, 1))
    rows = [("high_count", str(days), *_ratios(shares))]
    said = "Observed over nominal tails of the log's daily sums:\n\n"
    heads = ("method", "days", *(f"at {level:g}" for level in SERIES_LEVELS))
    try:
        nothing = np.zeros(agency.cases.shape)
        scores = Farrington().scores(agency.searches, agency.searches, agency.weekday, nothing).value
    except Skipped as why:
        return f"{said}{table(heads, rows)}\nSKIPPED: {Farrington.name}: {why}\n"
    p = np.exp(-scores[0, span[0] - agency.first :])
    rows.append(
        (Farrington.name, str(len(p)), *_ratios(np.array([(p <= level).mean() for level in SERIES_LEVELS])))
    )
    return f"{said}{table(heads, rows)}"


def _ratios(shares: np.ndarray) -> list[str]:
    return [f"{share / level:.2f}" for share, level in zip(shares.tolist(), SERIES_LEVELS, strict=True)]

"""The same questions to a real log, where nobody is known to be honest."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.baselines import Skipped
from bench.baselines.farrington import Farrington
from bench.calibration import LEVELS
from bench.detection.log import Counts, Line, Log
from bench.detection.page import tail_table
from bench.detection.tails import GRID, Tails, unknown_tails
from models.detectors.high_count import HighCountSettings
from streams.documentation.tables import table

#: Days that are learned from before the first is judged.
LEARNED = 60
#: A few hundred days say nothing of rarer ones.
SERIES_LEVELS = (0.1, 0.05, 0.01)
AGENCY = "log"
TARGET = (0.4, 1.5)


def report(path: Path, zone: str) -> str:
    """Tail ratios on a log with the columns id, userId, searchDate (UTC), and Farrington's on its daily
    sums; without R that part says so loudly."""
    log = read(path, zone)
    users = sorted({line.requester_id for line in log.lines})
    span = (log.first + LEARNED, log.last)
    tails = unknown_tails(_counts(log, "requester", users), HighCountSettings(of="searches"), span)
    parts = [
        f"{len(log.lines):,} searches by {len(users)} users in {log.last - log.first} days. Tails of "
        f"`high_count` by user, all in one group, from day {LEARNED} on:\n",
        tail_table(tails),
        _goals(tails),
        _series(_counts(log, "agency", [AGENCY]), span),
    ]
    return "\n".join(parts)


def _goals(tails: Tails) -> str:
    """The targets, which hold for all strata together: in one there is too little."""
    low, high = TARGET
    rows = []
    for _, _, ratios, _ in tails.whole().rows():
        for level, ratio in list(zip(LEVELS, ratios, strict=True))[:2]:
            said = "met" if low <= round(ratio, 2) <= high else "missed"
            goal = f"tail ratio at {level:g} on the real log, all strata together"
            rows.append((goal, f"{low:g} to {high:g}", f"{ratio:.2f}", said))
    return table(("goal", "target", "measured", ""), rows)


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
        return f"{said}{table(heads, rows)}\n**SKIPPED: {Farrington.name}: {why}.**\n"
    p = np.exp(-scores[0, span[0] - agency.first :])
    rows.append(
        (Farrington.name, str(len(p)), *_ratios(np.array([(p <= level).mean() for level in SERIES_LEVELS])))
    )
    return f"{said}{table(heads, rows)}"


def _ratios(shares: np.ndarray) -> list[str]:
    return [f"{share / level:.2f}" for share, level in zip(shares.tolist(), SERIES_LEVELS, strict=True)]

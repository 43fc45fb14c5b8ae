"""The facts of a plate-reader audit log that the simulator is calibrated on.

`python -m bench.eugene FILE [--json]` reads a user audit (CSV: id, userId, searchDate in UTC,
cameraCount, reason) and prints its shape: how searches spread over people, hours and weeks, and
how the vocabulary of reasons changed. The reference log is that of the police of Eugene, Oregon
(4,294 searches from June to December 2025, CC0-1.0, published by EyesOff Eugene). Shares of vague
reasons given for it elsewhere, under a vocabulary that is not told, are 77% in June, 26% in July
and 2% in August.

A vague reason is one with the purpose `vague` of `streams/adapters/reasons.py`: nothing but
"investigation", its short forms and misspellings, and filling words. `named` counts only the
words "investigation(s)", "investigative", "invest" and "inv" spelled so.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streams.adapters.reasons import read_reason

ZONE = "America/Los_Angeles"
_NAMED = re.compile(r"(investigations?|investigative|invest|inv)", re.IGNORECASE)


def facts(log: pd.DataFrame, zone: str = ZONE) -> dict[str, Any]:
    """The figures of one log with the columns userId, searchDate, reason.

    Shares are fractions of 1. Days, hours and weeks are local; days without a search count as 0.
    """
    at = pd.to_datetime(log["searchDate"], utc=True, format="ISO8601").dt.tz_convert(zone)
    user = log["userId"]
    reasons = log["reason"].fillna("").map(str)
    vague = pd.Series(
        [read_reason(text, time.year).purpose == "vague" for text, time in zip(reasons, at, strict=True)]
    )
    named = reasons.str.strip().map(lambda text: bool(_NAMED.fullmatch(text)))
    per_user = user.value_counts()
    day = at.dt.tz_localize(None).dt.floor("D")
    per_user_day = log.groupby([user, day]).size()
    per_day = day.value_counts().reindex(pd.date_range(day.min(), day.max()), fill_value=0).sort_index()
    summer = per_day[(per_day.index.month >= 7) & (per_day.index.month <= 9)]
    month = at.dt.strftime("%Y-%m")
    week = (day - pd.to_timedelta(at.dt.day_of_week, unit="D")).dt.strftime("%Y-%m-%d")
    return {
        "searches": len(log),
        "users": int(per_user.size),
        "first": str(at.min()),
        "last": str(at.max()),
        "per_user": quantiles(per_user, 0.5, 0.9, 0.95),
        "top_ten_share": float(per_user.head(10).sum() / len(log)),
        "gini": gini(per_user.to_numpy(dtype=float)),
        "per_user_day": quantiles(per_user_day, 0.5, 0.99),
        "per_day_july_to_september": {
            "mean": float(summer.mean()),
            "sd": float(summer.std()),
            "variance_to_mean": float(summer.var() / summer.mean()),
        },
        "per_month": {name: int(count) for name, count in month.value_counts().sort_index().items()},
        "hours": [int((at.dt.hour == hour).sum()) for hour in range(24)],
        "weekdays_from_monday": [int((at.dt.day_of_week == number).sum()) for number in range(7)],
        "one_to_five_share": float(at.dt.hour.between(1, 4).mean()),
        "weekend_share": float((at.dt.day_of_week >= 5).mean()),
        "vague_by_month": {name: float(share) for name, share in vague.groupby(month).mean().items()},
        "named_by_month": {name: float(share) for name, share in named.groupby(month).mean().items()},
        "vague_by_week": {name: float(share) for name, share in vague.groupby(week).mean().items()},
    }


def quantiles(counts: pd.Series, *wanted: float) -> dict[str, float]:
    """The wanted quantiles and the largest value."""
    found = {f"p{round(100 * each)}": float(counts.quantile(each)) for each in wanted}
    return found | {"max": float(counts.max())}


def gini(counts: NDArray[np.float64]) -> float:
    """Inequality in [0, 1): 0 when all are equal (Gini 1912, by the sorted-rank formula).

    >>> gini(np.array([1.0, 1.0, 1.0])), gini(np.array([0.0, 0.0, 0.0, 4.0]))
    (0.0, 0.75)
    """
    ranks = np.arange(1, counts.size + 1)
    return float(((2 * ranks - counts.size - 1) * np.sort(counts)).sum() / (counts.size * counts.sum()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the facts, one a line, and as one JSON object with --json."""
    parser = argparse.ArgumentParser(prog="python -m bench.eugene", description="Facts of an audit log.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--zone", default=ZONE, help="time zone of the agency")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    found = facts(pd.read_csv(given.file, encoding="utf-8-sig"), given.zone)
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:27}{_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {_shown(each)}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(map(_shown, value))
    return f"{value:.3g}" if isinstance(value, float) and value < 1000 else str(value)


if __name__ == "__main__":
    main()

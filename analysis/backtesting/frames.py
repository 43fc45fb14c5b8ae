"""Back-tests as pandas frames."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import pandas as pd

from analysis.backtesting.session import BackTest, Options, Result
from analysis.opening import open_subject
from models.alert import Alert
from models.analysis.comparison import Comparison, compare
from models.analysis.weekly import WeekOf, weekly

#: What is said of an alert in the frame of differences.
TOLD = ("alert_id", "detector", "severity", "agency_id", "unit_id", "entity_kind", "entity",
        "window_start", "window_end", "decided_at", "explanation")  # fmt: skip


@dataclass(frozen=True)
class Frames:
    """A back-test; `names` are its configurations. Frames are made when they are asked for."""

    result: Result
    names: tuple[str, ...]

    @cached_property
    def alerts(self) -> pd.DataFrame:
        """A row for each alert that stands in the end, with all its fields and its configuration."""
        return pd.concat([
            alert_frame(one.alerts).assign(configuration=name)
            for name, one in zip(self.names, self.result.outcomes, strict=True)
        ], ignore_index=True)  # fmt: skip

    @cached_property
    def weekly(self) -> pd.DataFrame:
        """Alerts a week by detector and unit: a row where there are any."""
        return pd.concat([
            pd.DataFrame(weekly(one.alerts), columns=WeekOf._fields).assign(configuration=name)
            for name, one in zip(self.names, self.result.outcomes, strict=True)
        ], ignore_index=True).astype({"week": "datetime64[s]"})  # fmt: skip

    @cached_property
    def counts(self) -> pd.DataFrame:
        """What was counted, by name, label and configuration."""
        rows = [
            (configuration, name, label, number)
            for configuration, one in zip(self.names, self.result.outcomes, strict=True)
            for (name, label), number in sorted(one.counts.items())
        ]
        return pd.DataFrame(rows, columns=("configuration", "name", "label", "number"))

    @cached_property
    def difference(self) -> pd.DataFrame:
        """The alerts that two configurations do not share, `change` being new, gone, moved or changed; of
        what moved or changed the row is the second one's. Empty for one configuration."""
        found = self.comparison
        if found is None:
            return pd.DataFrame(columns=("change", *TOLD))
        return pd.concat([
            alert_frame(alerts)[list(TOLD)].assign(change=change)
            for change, alerts in (
                ("new", found.new), ("gone", found.gone),
                ("moved", [pair.after for pair in found.moved]),
                ("changed", [pair.after for pair in found.changed]),
            )
        ], ignore_index=True)[["change", *TOLD]]  # fmt: skip

    @cached_property
    def comparison(self) -> Comparison | None:
        """How the second configuration's alerts differ from the first one's."""
        if len(self.result.outcomes) < 2:
            return None
        before, after = self.result.outcomes
        return compare(before.alerts, after.alerts)


def alert_frame(alerts: Iterable[Alert]) -> pd.DataFrame:
    """A row for each alert; times are UTC, lists are tuples."""
    names = [field.name for field in msgspec.structs.fields(Alert)]
    return pd.DataFrame([msgspec.structs.astuple(one) for one in alerts], columns=names)


def backtest_frames(
    config: Path, inputs: Sequence[Path], against: Path | None = None, *, jobs: int | None = None
) -> Frames:
    """See `analysis.backtest`; nothing is left on disk."""
    folders = [config] if against is None else [against, config]
    subjects = [open_subject(one) for one in folders]
    options = Options() if jobs is None else Options(jobs=jobs)
    with tempfile.TemporaryDirectory(prefix="probewatch-backtest-") as folder:
        running = BackTest(subjects, inputs, Path(folder) / "work", options)
        for _ in running:
            pass
        return Frames(running.result(), names(folders))


def names(folders: Sequence[Path]) -> tuple[str, ...]:
    """What configurations are called: their folders' names, or A and B where these are the same."""
    found = tuple(one.resolve().name for one in folders)
    return found if len(set(found)) == len(found) else tuple("AB"[: len(found)])

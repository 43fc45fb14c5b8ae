"""What a benchmark reports: figures with their targets, the median of the runs, as table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from rich.table import Table

#: Cores that others may keep busy without its being said.
QUIET = 0.15


@dataclass(frozen=True)
class Target:
    """What a figure should reach: at least or at most `value`."""

    sense: Literal["at least", "at most"]
    value: float

    def met(self, value: float) -> bool:
        """Whether the value reaches it."""
        return value >= self.value if self.sense == "at least" else value <= self.value


@dataclass(frozen=True)
class Figure:
    """One measured figure: its name in JSON, what it means, and its value in each run."""

    name: str
    meaning: str
    runs: Sequence[float]
    unit: str = ""
    target: Target | None = None

    @property
    def value(self) -> float:
        """The median of the runs."""
        return median(self.runs)

    def row(self) -> tuple[str, str, str, str, str]:
        """Meaning, median, range, target, and whether it is met; the words of every table."""
        spread = f"{_said(min(self.runs))} to {_said(max(self.runs))}" if len(self.runs) > 1 else ""
        if self.target is None:
            return self.meaning, self._with_unit(self.value), spread, "", ""
        aim = f"{self.target.sense} {self._with_unit(self.target.value)}"
        return self.meaning, self._with_unit(self.value), spread, aim, self._verdict(self.target)

    def _verdict(self, target: Target) -> str:
        if target.met(self.value):
            return "met"
        factor = self.value / target.value if target.sense == "at most" else target.value / self.value
        return f"missed by a factor of {factor:.2g}" if 0 < factor < 1e9 else "missed"

    def _with_unit(self, value: float) -> str:
        return f"{_said(value)} {self.unit}".rstrip()


@dataclass
class Report:
    """One benchmark's outcome. `notes` are sentences that belong beside the figures; `facts` are what
    was measured under which conditions, for the JSON."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def disturbed(self, cores: float) -> None:
        """Note how many cores other programs kept busy meanwhile."""
        self.facts["others_cores"] = cores
        if cores > QUIET:
            self.notes.append(
                f"{self.title}: other programs kept {cores:.1f} cores busy meanwhile; "
                "measure again on a quiet machine"
            )

    def table(self) -> Table:
        """For a terminal."""
        table = Table("figure", "median", "runs", "target", "", title=self.title, title_justify="left")
        for figure in self.figures:
            table.add_row(*figure.row())
        return table

    def json(self) -> dict[str, Any]:
        """Medians by name at the top, then every run, every target, and the facts."""
        return {
            "benchmark": self.title,
            **self.facts,
            **{figure.name: figure.value for figure in self.figures},
            "runs": {figure.name: list(figure.runs) for figure in self.figures},
            "targets": {
                figure.name: {
                    figure.target.sense: figure.target.value,
                    "met": figure.target.met(figure.value),
                }
                for figure in self.figures
                if figure.target
            },
            "notes": self.notes,
        }


def markdown(reports: Iterable[Report]) -> str:
    """One table of the figures of several benchmarks, and their notes below."""
    reports = list(reports)
    lines = ["| figure | median | runs | target | |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join(figure.row()) + " |" for one in reports for figure in one.figures]
    notes = [f"- {note}" for one in reports for note in one.notes]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _said(value: float) -> str:
    """With three figures that matter, large numbers whole."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"

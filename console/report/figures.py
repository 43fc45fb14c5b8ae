"""The figures of one agency and period, with what must be withheld withheld."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from console.report import counting
from console.report.counting import Period, Records
from console.report.kinds import Dimension, large, of_alerts, of_searches
from models.reference import Reference
from models.suppression import Cell, cell, tabulate, withheld

Of = Literal["searches", "alerts"]
#: What a table says in place of a count, and of the whole.
WITHHELD, ALL = "withheld", "all"

_SEARCH_TABLES: tuple[tuple[str, ...], ...] = (
    ("purpose",),
    ("tool",),
    ("unit",),
    ("image_source",),
    ("lead",),
    ("corroborated", "arrest"),
    ("tool", "purpose"),
    ("image_source", "purpose"),
    ("unit", "purpose"),
)
_ALERT_TABLES: tuple[tuple[str, ...], ...] = (
    ("detector",),
    ("severity",),
    ("outcome",),
    ("acknowledged",),
    ("severity", "outcome"),
    ("severity", "acknowledged"),
    ("detector", "outcome"),
)
_SEARCHES_LEFT_OUT = (
    "Left out: searches that are not in the log, and messages that could not be read. Counted: searches of"
    " every kind, automatic ones too, and those that came too late to be judged."
)
_ALERTS_LEFT_OUT = (
    "Left out: provisional alerts, and alerts about a log that belongs to no agency. An alert counts on the"
    " day on which it was decided; what came of it is as it stood then in the console's records. An alert is"
    " a reason to ask, not proof."
)


@dataclass(frozen=True)
class Figure:
    """One table of counts; None is a count that is withheld. Its last row and column are the sums."""

    of: Of
    rows: Dimension
    columns: Dimension | None
    head: tuple[str, ...]
    """Words of the columns of counts."""
    body: tuple[tuple[str, tuple[int | None, ...]], ...]
    """Words of each row, and its counts."""
    about: tuple[str, ...]
    """Source, period, and what is left out: a sentence or two each."""

    @property
    def name(self) -> str:
        """Tells it apart in the report of one agency; letters, digits and hyphens."""
        parts = (self.of, self.rows.name, *((self.columns.name,) if self.columns else ()))
        return "-".join(parts).replace("_", "-")

    @property
    def title(self) -> str:
        """Its heading."""
        by = f"{self.of.capitalize()} by {self.rows.title.lower()}"
        return f"{by} and {self.columns.title.lower()}" if self.columns else by


@dataclass(frozen=True)
class Count:
    """One count of the report, each once. `number` is None when it is withheld."""

    of: Of
    categories: tuple[tuple[str, str], ...]
    """Titles of the dimensions with the words of the categories; none for the total."""
    number: int | None


@dataclass(frozen=True)
class Report:
    """All figures of an agency in a period."""

    agency_id: str
    agency: str
    period: Period
    least: int
    figures: tuple[Figure, ...]
    counts: tuple[Count, ...]

    @property
    def days(self) -> str:
        """The period in words."""
        return str(self.period)

    @property
    def rule(self) -> str:
        """How counts are withheld, for the reader."""
        return (
            f"Counts from 1 to {self.least - 1} are withheld, because so few could point at somebody. So are"
            f" other counts, of whatever size, from which those could be worked out. A unit in which fewer"
            f" than {self.least} requesters searched is counted among the others. Figures of periods that"
            f" overlap can give away together what each withholds."
        )


def make_report(
    session: Session,
    reference: Reference,
    detectors: Iterable[str],
    agency_id: str,
    period: Period,
    *,
    least: int,
    protection: int | None = None,
) -> Report:
    """Count and withhold; see `models.suppression` for `least` and `protection`."""
    members = counting.requesters(session, agency_id, period)
    named = large(members, least)
    dimensions = of_searches(reference, named)
    # Whoever reads a unit's name knows that much of it.
    known = {cell(unit=unit): least for unit in named}
    canonical: dict[str, Callable[[str], str]] = {"tool": reference.tools.canonical}
    head = counting.ledger_head(session)
    records = "the records of the console, whose ledger has no entry yet"
    if head is not None:
        records = f"the records of the console up to entry {head[0]} of its ledger, {head[1][:16]}"
    parts = [
        _Part(
            "searches",
            _SEARCH_TABLES,
            dimensions,
            _placed(counting.searches(session, agency_id, period), dimensions, canonical),
            known,
            (
                "Source: the agency's log of searches, as far as the console had received it.",
                f"Period: {period}.",
                _SEARCHES_LEFT_OUT,
            ),
        )
    ]
    dimensions = of_alerts(detectors)
    parts.append(
        _Part(
            "alerts",
            _ALERT_TABLES,
            dimensions,
            _placed(counting.alerts(session, agency_id, period), dimensions, {}),
            {},
            (f"Source: {records}.", f"Period: {period}.", _ALERTS_LEFT_OUT),
        )
    )
    figures: list[Figure] = []
    counts: list[Count] = []
    for part in parts:
        shown = part.shown(least, protection)
        figures += part.figures(shown)
        counts += part.counts(shown)
    name = reference.agencies[agency_id].name if agency_id in reference.agencies else ""
    return Report(agency_id, name or agency_id, period, least, tuple(figures), tuple(counts))


@dataclass(frozen=True)
class _Part:
    """The tables over one kind of records, which share margins and are withheld from together."""

    of: Of
    tables: Sequence[tuple[str, ...]]
    dimensions: Sequence[Dimension]
    records: Records
    known: Mapping[Cell, int]
    about: tuple[str, ...]

    def shown(self, least: int, protection: int | None) -> dict[Cell, int | None]:
        """Every count, None where it is withheld."""
        tables = tabulate(
            self.records,
            [dimension.name for dimension in self.dimensions],
            {dimension.name: list(dimension.words) for dimension in self.dimensions},
            self.tables,
        )
        hidden = withheld(tables, least, protection, self.known)
        return {place: None if place in hidden else count for place, count in tables.counts.items()}

    def figures(self, shown: Mapping[Cell, int | None]) -> Iterator[Figure]:
        """The tables as people read them."""
        of_name = {dimension.name: dimension for dimension in self.dimensions}
        for names in self.tables:
            rows = of_name[names[0]]
            if len(names) == 1:
                body = [(words, (shown[cell(**{rows.name: one})],)) for one, words in rows.words.items()]
                yield Figure(
                    self.of, rows, None, (self.of.capitalize(),), (*body, (ALL, (shown[()],))), self.about
                )
            else:
                yield self._crossed(rows, of_name[names[1]], shown)

    def _crossed(self, rows: Dimension, columns: Dimension, shown: Mapping[Cell, int | None]) -> Figure:
        """Two dimensions; a row or column is left out where it is published that there is nothing in it."""
        across = [one for one in columns.words if shown[cell(**{columns.name: one})] != 0]
        body = []
        for one, words in rows.words.items():
            whole = shown[cell(**{rows.name: one})]
            if whole != 0:
                inner = [shown[cell(**{rows.name: one, columns.name: other})] for other in across]
                body.append((words, (*inner, whole)))
        foot = (*(shown[cell(**{columns.name: one})] for one in across), shown[()])
        head = (*(columns.words[one] for one in across), ALL)
        about = (*self.about, "Rows and columns without any count are left out here.")
        return Figure(self.of, rows, columns, head, (*body, (ALL, foot)), about)

    def counts(self, shown: Mapping[Cell, int | None]) -> Iterator[Count]:
        """All counts, those of one dimension before those of two."""
        of_name = {dimension.name: dimension for dimension in self.dimensions}
        for place in sorted(shown, key=lambda place: (len(place), place)):
            told = tuple((of_name[name].title, of_name[name].words[one]) for name, one in place)
            yield Count(self.of, told, shown[place])


def _placed(
    records: Records, dimensions: Sequence[Dimension], canonical: Mapping[str, Callable[[str], str]]
) -> Records:
    """The records with each category replaced by the one that the report has for it."""
    found: Counter[tuple[str, ...]] = Counter()
    for record, number in records.items():
        key = []
        for dimension, category in zip(dimensions, record, strict=True):
            known_as = canonical.get(dimension.name)
            key.append(dimension.place(category if known_as is None else known_as(category)))
        found[tuple(key)] += number
    return found

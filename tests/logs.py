"""Small made-up logs for tests: searches over days, their arrival, and pipelines that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from models.calendar import Calendar, Event
from models.days import instant
from models.detectors import discover
from models.detectors.base import Detector, Settings
from models.panel import Chosen
from models.pipeline import Pipeline, Standing
from models.policy import Clause, Pack, Register
from models.reference import Agency, Reference, Source
from models.search import Search, Tick, encode_search
from models.serving import Statement
from models.stage import Message
from models.ticking import encode_tick
from tests.plain_models import SERVING, PlainModels

START = datetime(2021, 3, 1, tzinfo=UTC).timestamp()
DAY = 86_400.0
LATENESS = 48 * 3600.0
FIRST = date(2021, 3, 1).toordinal()
#: Days after the first with demonstrations, their area and their size.
DEMONSTRATIONS = ((12, "", 900), (22, "u0", 3000), (26, "", 9000), (30, "u1", 400), (36, "", 1200))
SOURCES = ("feed", "mobile")

#: Settings that make detectors speak early, applied where a detector has them.
SENSITIVE: dict[str, Any] = {
    "alpha": 0.3,
    "minimum_history_days": 5,
    "minimum_visits": 2,
    "minimum_days": 2,
    "minimum_searches": 1,
    "minimum_gap_hours": 6.0,
    "minimum_count": 1,
    "session_minutes": 1440.0,
    "walk_minutes": 600.0,
    "trust_numbers": False,
    "threshold": 5.0,
    "minimum_kinds": 1,
    "minimum_expected": 0.3,
    "lag_weeks": 2,
    "window_weeks": (1, 2),
}


def search(at: float, event_id: str, **fields: Any) -> Search:
    """A search at `at` seconds after START with harmless defaults."""
    known: dict[str, Any] = {
        "source_id": "feed",
        "requester_id": "r0",
        "agency_id": "city",
        "unit_id": "u0",
        "tool": "lacris",
        "gallery": "mugshots",
        "purpose": "criminal_investigation",
        "image_source": "cctv",
        "workstation_id": "w0",
    }
    return Search(event_id=event_id, event_time=instant(START + at), **{**known, **fields})


def register() -> Register:
    """One clause, in force from the tenth day on."""
    clause = Clause(
        id="test-banned-tool",
        title="The tool is banned",
        text="Nobody may use it.",
        source="test",
        url="https://example.org/",
        valid_from=date(2021, 3, 10).toordinal(),
        condition='tool == "banned"',
        severity="high",
    )
    return Register([Pack(name="test", title="Test", jurisdiction="test", clauses=(clause,))])


def reference(sources: Iterable[str] = (), timezone: str = "America/Los_Angeles") -> Reference:
    """Agencies `city` and all others in one zone, with the test clause; sources declared for city."""
    return Reference(
        agencies={
            "*": Agency(agency_id="*", timezone=timezone, policies=("test",)),
        },
        sources={name: Source(source_id=name, agency_id="city") for name in sources},
        calendar=Calendar(
            Event(date=FIRST + day, agency_id="*", area=area, size=size, interventions=2)
            for day, area, size in DEMONSTRATIONS
        ),
        policy=register(),
        artefacts=PlainModels(),
    )


def sensitive(function: str, **more: Any) -> Chosen:
    """A detector with settings that make it speak early."""
    settings_type: type[Settings] = discover()[function].settings_type
    chosen = {**SENSITIVE, **more}
    fields = {name: value for name, value in chosen.items() if name in settings_type.__struct_fields__}
    return Chosen(name=function, function=function, settings=settings_type(**fields))


#: What runs beside a detector that weighs what others find.
OTHERS = ("high_count", "policy_clause", "rare")


def panel(function: str, **more: Any) -> list[Chosen]:
    """A detector in sensitive settings, by itself unless it lives on the findings of others."""
    kind = discover()[function]
    weighs = issubclass(kind, Detector) and kind.weigh is not Detector.weigh
    return [*(sensitive(other) for other in OTHERS if weighs), sensitive(function, **more)]


@dataclass(frozen=True)
class Plan:
    """A few officers over 40 days: habits, a burst, a favourite, a banned tool, gaps in the log."""

    agency: str
    rate: int
    burst_day: int
    quiet_from: int
    favourite: int
    missing: frozenset[int]
    salt: int
    days: int = 40

    def searches(self) -> list[Search]:
        """The searches, by event time."""
        found: list[Search] = []
        number = dict.fromkeys(SOURCES, 0)
        for day in range(self.days):
            for index in range(self.rate + (12 if day == self.burst_day else 0)):
                mixed = (self.salt + day * 7919 + index * 104_729) & 0xFFFFFF
                source = SOURCES[mixed % 5 == 0]
                if source == "feed" and self.quiet_from <= day < self.quiet_from + 6:
                    continue
                number[source] += 1
                if number[source] not in self.missing:
                    found.append(self._one(day, index, mixed, source, number[source]))
        return sorted(found, key=lambda one: one.event_time)

    def _one(self, day: int, index: int, mixed: int, source: str, sequence: int) -> Search:
        officer = 0 if day == self.burst_day else mixed % 4
        pet = officer == self.favourite and mixed % 3 == 0
        return search(
            day * DAY + mixed % 86_000 + index * 0.001,
            f"{self.agency}-{day}-{index}",
            source_id=source,
            agency_id=self.agency,
            source_sequence=sequence,
            requester_id=f"r{officer}",
            unit_id=f"u{officer % 2}",
            subject_ref="pet" if pet else f"s{mixed % 50}",
            case_number=None if pet else f"c{mixed % 60}",
            tool="banned" if mixed % 23 == 0 else "lacris",
            workstation_id=f"w{officer if mixed % 11 else 'x'}",
        )


@dataclass
class Log:
    """Searches with their delay in seconds, and the ticks of every sixth hour up to `days`."""

    searches: list[Search]
    days: int
    delays: list[float] = field(default_factory=list)
    ending: bool = True
    models: tuple[Statement, ...] = SERVING

    def messages(self) -> list[bytes]:
        """In order of arrival, ticks included, closed by an end tick."""
        sources = sorted({one.source_id for one in self.searches})
        delays = self.delays or [0.0] * len(self.searches)
        rows: list[tuple[float, int, str, bytes]] = [
            (one.event_time.timestamp() + delay, 1, one.event_id, encode_search(one))
            for one, delay in zip(self.searches, delays, strict=True)
        ]
        for quarter in range(self.days * 4):
            at = START + quarter * DAY / 4
            for source in sources:
                tick = Tick(tick=instant(at), source_id=source, models=self.models)
                rows.append((at, 0, source, encode_tick(tick)))
        rows.sort(key=lambda row: row[:3])
        end = START + (self.days + 12) * DAY
        closing = [encode_tick(Tick(tick=instant(end), source_id=s, end=True)) for s in sources]
        return [row[3] for row in rows] + (closing if self.ending else [])


def run(
    messages: Sequence[bytes],
    make: Callable[[], Pipeline],
    splits: Sequence[int] = (),
) -> tuple[list[Message], Standing]:
    """Feed messages in one call, or cut at the given places. Returns all that was said."""
    pipeline = make()
    standing = Standing()
    said: list[Message] = []
    cuts = sorted({0, len(messages), *(cut % (len(messages) + 1) for cut in splits)})
    for begin, end in zip(cuts, cuts[1:], strict=False):
        out = pipeline.feed(messages[begin:end])
        standing.take(out)
        said += out
    return said, standing


def alerts_of(said: Iterable[Message]) -> list[bytes]:
    """The alert records, in order."""
    return [message.value for message in said if message.topic == "alerts"]

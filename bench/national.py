"""A made-up national log: thousands of agencies of very different size in one file, made fast.

The simulator makes one city in every detail. This makes the other shape of input: as in the one
public log of the kind, 12.5 million searches of 3,900 agencies in ten months, most of them small.
Nothing here is misuse or a trap; it is for measuring speed alone. Fewer searches mean fewer agencies
and people in the same proportion, so that each agency is as busy as it would be in the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import yaml
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: The whole: what smaller logs are cut from in proportion.
SEARCHES, AGENCIES, DAYS = 12_500_000, 3_900, 304
#: People who search, in the whole; an agency has some 250, about 13 searches each.
REQUESTERS = 1_000_000
#: Searches made into bytes at a time.
CHUNK = 50_000
#: Sigma of the lognormal size of agencies: the largest tenth makes two thirds of all searches.
SPREAD = 1.6
#: The exponent that makes some people of an agency busier than others: 1 would be all alike.
SKEW = 1.5
#: People in a unit, and the share of searches that follow up the same person's case before.
UNIT, FOLLOWS = 25, 0.4
ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
#: Hours by which the zones lie behind UTC, about.
BEHIND = (5, 6, 7, 8)
#: How many searches fall into each local hour, in any unit.
HOURS = (3, 2, 2, 1, 1, 2, 4, 7, 10, 11, 11, 10, 10, 11, 11, 10, 9, 8, 8, 7, 6, 6, 5, 4)

_LINE = (
    '{"event_id":"NAME-%d","event_time":"%sZ","source_id":"NAME-log","source_sequence":%d,'
    '"requester_id":"NAME-r%d","agency_id":"NAME","unit_id":"u%d","tool":"LACRIS","gallery":"county-mugshots",'
    '"case_number":"NAME-%d","purpose":"criminal_investigation","image_source":"cctv",'
    '"reason_text":"robbery, suspect seen on camera","candidates_requested":50,'
    '"subject_ref":"%016x","workstation_id":"w%d","access_channel":"desktop"}\n'
)


@dataclass(frozen=True)
class National:
    """A log to be made. Same values, same bytes.

    `first` is the first day; `spread` 0 makes all agencies alike; `called` gives them other names.
    """

    searches: int
    agencies: int
    requesters: int
    days: int
    seed: int = 0
    spread: float = SPREAD
    first: date = date(2024, 1, 1)
    called: Sequence[str] = ()

    @classmethod
    def cut(cls, searches: int, seed: int = 0) -> National:
        """The whole, or the same with fewer agencies."""
        share = searches / SEARCHES
        return cls(searches, max(1, round(AGENCIES * share)), max(1, round(REQUESTERS * share)), DAYS, seed)

    @property
    def names(self) -> list[str]:
        """The agencies."""
        return list(self.called) or [f"agency-{number:04d}" for number in range(self.agencies)]

    def configure(self, folder: Path) -> None:
        """Write the folder of the configuration: agencies, their logs, and their one tool."""
        folder.mkdir(parents=True, exist_ok=True)
        agencies = [
            {"agency_id": name, "timezone": ZONES[n % len(ZONES)], "policies": ["los-angeles-2021"]}
            for n, name in enumerate(self.names)
        ]
        sources = [{"source_id": f"{name}-log", "agency_id": name} for name in self.names]
        approvals = [
            {"agency_id": name, "valid_from": date(2009, 11, 6), "source": "made up"} for name in self.names
        ]
        tools = [
            {"tool": "lacris", "name": "LACRIS", "approvals": approvals},
            {"tool": "clearview-ai", "name": "Clearview AI"},
        ]
        for name, content in (("agencies", agencies), ("sources", sources), ("tools", tools)):
            text = yaml.safe_dump({name: content}, sort_keys=False)
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    def write(self, file: Path) -> int:
        """Write the log, by time; the number of searches."""
        with file.open("wb") as out:
            for chunk in self.chunks():
                out.write(chunk)
        return self.searches

    def chunks(self) -> Iterator[bytes]:
        """The lines in the order of time, many at once."""
        rng = default_rng(self.seed)
        agency = self._agencies(rng)
        staff = self._staff()
        requester = self._requesters(rng, agency, staff)
        at = self._milliseconds(rng, agency)
        order = np.argsort(at, kind="stable")
        agency, requester, at = agency[order], requester[order], at[order]
        sequence = _numbered(agency)
        case = self._cases(rng, agency, requester, staff)
        instants = np.datetime64(self.first, "ms") + at
        subject = (case + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        lines = [_LINE.replace("NAME", name) for name in self.names]
        for first in range(0, self.searches, CHUNK):
            part = slice(first, first + CHUNK)
            rows = zip(
                agency[part].tolist(),
                requester[part].tolist(),
                np.datetime_as_string(instants[part]).tolist(),
                sequence[part].tolist(),
                case[part].tolist(),
                subject[part].tolist(),
                strict=True,
            )
            yield "".join(
                [
                    lines[a] % (number, at, number, who, who // UNIT, matter, about, who % 400)
                    for a, who, at, number, matter, about in rows
                ]
            ).encode()

    def _sizes(self) -> NDArray[np.float64]:
        """The share of each agency, from a stream of its own: it does not move with the searches."""
        weight = default_rng([self.seed, 1]).lognormal(0.0, self.spread, self.agencies)
        return np.asarray(weight / weight.sum())

    def _staff(self) -> Ints:
        """How many people each agency has, the rest going to the first: each has one at least."""
        staff = np.maximum(1, np.floor(self._sizes() * self.requesters)).astype(np.int64)
        staff[0] = max(1, staff[0] + self.requesters - staff.sum())
        return staff

    def _agencies(self, rng: Generator) -> Ints:
        return np.repeat(np.arange(self.agencies), rng.multinomial(self.searches, self._sizes()))

    def _requesters(self, rng: Generator, agency: Ints, staff: Ints) -> Ints:
        """Everybody searches once if there are searches enough; the rest is theirs who search more."""
        drawn = np.floor(staff[agency] * rng.random(len(agency)) ** SKEW).astype(np.int64)
        rank = _numbered(agency) - 1
        return np.where(rank < staff[agency], rank, drawn)

    def _milliseconds(self, rng: Generator, agency: Ints) -> Ints:
        """Milliseconds since the first midnight in UTC, by local hours of work, fewer at weekends."""
        weekday = (np.arange(self.days) + self.first.weekday()) % 7
        busy = np.where(weekday < 5, 1.0, 0.7)
        day = rng.choice(self.days, len(agency), p=busy / busy.sum())
        hours = np.array(HOURS) / sum(HOURS)
        hour = rng.choice(24, len(agency), p=hours) + np.array(BEHIND)[agency % len(BEHIND)]
        return np.asarray(((day * 24 + hour) * 3600) * 1000 + rng.integers(0, 3_600_000, len(agency)))

    def _cases(self, rng: Generator, agency: Ints, requester: Ints, staff: Ints) -> Ints:
        """A number of the case for each search: a new one, or that of the person's search before."""
        person = (np.cumsum(staff) - staff)[agency] + requester
        order = np.argsort(person, kind="stable")
        new = rng.random(len(agency)) >= FOLLOWS
        same = np.diff(person[order], prepend=-1) == 0
        starts = np.flatnonzero(new | ~same)
        case = np.empty(len(agency), np.int64)
        case[order] = order[starts[np.cumsum(new | ~same) - 1]]
        return case


def _numbered(groups: Ints) -> Ints:
    """1, 2, 3 ... within each group, in the order given."""
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    numbers = np.empty(len(groups), np.int64)
    numbers[order] = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
    return numbers

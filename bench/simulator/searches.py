"""What cases leave in the audit log: searches as columns of numbers, named only when written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.simulator.clock import DAY, WEEKDAYS, Ints, draw_seconds
from bench.simulator.demand import case_sizes
from bench.simulator.matters import MATTERS, PHRASES, VAGUE
from bench.simulator.roster import Roster
from bench.simulator.seeds import generator

#: A table is equally long columns of whole numbers by name, 32 bits each: a benchmark of three
#: million searches must fit on a laptop. Only times need 64, and have their names in `world`.
Table = dict[str, NDArray[Any]]

IMAGES = (
    "booking", "cctv", "social_media", "body_worn", "in_car",
    "mobile", "sketch", "celebrity", "live_stream", "unknown",
)  # fmt: skip
#: Where honest probes come from; stills only, none from in-car or body-worn cameras.
IMAGE_WEIGHTS = (0.20, 0.53, 0.21, 0, 0, 0, 0, 0, 0, 0.06)
MODES = ("manual", "hotlist", "batch")
VAGUE_HOURS = (1, 4)
#: Lengths of the candidate list that officers ask for; everybody has a usual one, and in one of
#: so many cases takes another.
LIST_LENGTHS = (10, 20, 25, 50)
LIST_WEIGHTS = (0.15, 0.5, 0.2, 0.15)
OTHER_LIST = 7

#: Marks a value that `complete` fills in as honest life has it.
UNSET = -9
NONE = -1

COLUMNS = {
    "officer": UNSET, "day": UNSET, "second": UNSET, "case": UNSET, "subject": UNSET, "probe": UNSET,
    "unit": UNSET, "feed": UNSET, "matter": UNSET, "reason": UNSET, "image": UNSET, "tool": 0,
    "station": UNSET, "mode": 0, "requested": UNSET, "returned": UNSET, "score": UNSET, "lead": UNSET,
    "area": UNSET, "asked": UNSET, "threshold": UNSET, "edited": UNSET, "reviewer": UNSET,
    "corroborated": UNSET, "arrest": UNSET, "label": NONE, "decoy": NONE, "lost": 0, "jitter": UNSET,
}  # fmt: skip


def rows(length: int, **columns: int | NDArray[np.integer] | list[int]) -> Table:
    """A table of a given length; columns not named are unset. A plain number fills its column."""
    unknown = columns.keys() - COLUMNS.keys()
    if unknown:
        raise ValueError(f"no such column: {', '.join(sorted(unknown))}")
    table = {name: np.full(length, default, dtype=np.int32) for name, default in COLUMNS.items()}
    for name, values in columns.items():
        table[name][:] = values
    return table


def length(table: Table) -> int:
    """Number of searches in a table."""
    return len(table["officer"])


def concatenate(tables: list[Table]) -> Table:
    """Several tables as one."""
    return {name: np.concatenate([table[name] for table in tables]) for name in COLUMNS}


class Casebook:
    """Every case ever opened: its day, unit, matter, kind of probe and wording; and the subjects."""

    def __init__(self, seed: int, vague: float) -> None:
        self._rng = generator(seed, "cases")
        self._vague = vague
        self._columns: dict[str, list[Ints]] = {
            name: [] for name in ("day", "unit", "matter", "image", "reason")
        }
        self.size = 0
        self.subjects = 0
        weight = np.array([matter.weight for matter in MATTERS])
        self._matters = weight / weight.sum()

    def open(self, day: Ints, unit: Ints, second: Ints) -> Ints:
        """New cases with honest particulars; returns their numbers."""
        rng, count = self._rng, len(day)
        matter = rng.choice(len(MATTERS), count, p=self._matters)
        night = (second // 3600 >= VAGUE_HOURS[0]) & (second // 3600 <= VAGUE_HOURS[1])
        vague = rng.random(count) < self._vague * np.where(night, 3.4, 1.0)
        stated = matter * len(PHRASES) + rng.integers(0, len(PHRASES), count)
        words = len(MATTERS) * len(PHRASES) + rng.integers(0, len(VAGUE), count)
        image = rng.choice(len(IMAGES), count, p=np.array(IMAGE_WEIGHTS))
        reason = np.where(vague, words, stated)
        for name, values in zip(self._columns, (day, unit, matter, image, reason), strict=True):
            self._columns[name].append(np.asarray(values, dtype=np.int64))
        first = self.size
        self.size += count
        return np.arange(first, self.size)

    def meet(self, count: int) -> Ints:
        """Subjects never looked up before."""
        first = self.subjects
        self.subjects += count
        return np.arange(first, self.subjects)

    def column(self, name: str) -> Ints:
        """One particular of all cases, by case number."""
        self._columns[name] = [np.concatenate([np.empty(0, dtype=np.int64), *self._columns[name]])]
        return self._columns[name][0]


def honest_searches(roster: Roster, cases: Casebook, officer: Ints, day: Ints, rng: Generator) -> Table:
    """The searches of honestly opened cases: some at once, some over the next days, now and then
    by a colleague; mostly about one subject."""
    habits = roster.city.habits
    unit = roster.unit_on[officer, day].astype(np.int64)
    second = draw_seconds(rng, roster.shift_on[officer, day])
    case = cases.open(day, unit, second)
    subject = _subjects(cases, len(case), habits.known_subject, rng)
    sizes = case_sizes(habits)
    size = rng.choice(np.arange(1, len(sizes) + 1), len(case), p=sizes)

    origin = np.repeat(np.arange(len(case)), size)
    rank = np.arange(len(origin)) - np.repeat(size.cumsum() - size, size)
    later = (rank > 0) & (rng.random(len(origin)) > habits.same_day)
    delay = np.where(later, 1 + rng.geometric(0.5, len(origin)).clip(max=5), 0)
    who, when = officer[origin], day[origin] + delay
    absent = ~roster.on_duty[who, when] | (when >= roster.city.days) | _idle(roster, when, rng)
    when = np.where(absent, day[origin], when)
    later &= ~absent
    others = _colleagues(roster, who, when, rng)
    helps = later & (rng.random(len(origin)) < habits.colleague) & roster.on_duty[others, when]
    who = np.where(helps, others, who)
    gap = np.where(rank > 0, rng.exponential(700.0, len(origin)), 0).astype(np.int64)
    same_day = second[origin] + _running_total(gap, np.where(later, 0, 1), origin)
    at = np.where(later, draw_seconds(rng, roster.shift_on[who, when]), same_day.clip(max=DAY + 20_000))

    another = (rank > 0) & (rng.random(len(origin)) < 0.18)
    about = np.where(another, 0, subject[origin])
    about[another] = cases.meet(int(another.sum()))
    return rows(len(origin), officer=who, day=when, second=at, case=case[origin], subject=about)


def fill(table: Table, name: str, values: NDArray[Any]) -> None:
    """Set a column where it is unset."""
    unset = table[name] == UNSET
    table[name][unset] = np.asarray(values, dtype=np.int64)[unset]


def complete(table: Table, roster: Roster, cases: Casebook, lists: Ints, rng: Generator) -> None:
    """Fill in what is unset, as honest life has it: unit, feed, workstation, reason, candidates.

    `lists` has the length of the candidate list that each officer usually asks for.
    """
    count = length(table)
    table["day"], table["second"] = table["day"] + table["second"] // DAY, table["second"] % DAY
    officer, day, case = table["officer"], table["day"], table["case"]
    feed_of = np.array([unit.feed for unit in roster.city.units])
    posted = roster.unit_on[officer, day]
    fill(table, "unit", np.where(posted >= 0, posted, cases.column("unit")[case]))
    fill(table, "feed", feed_of[table["unit"]])
    fill(table, "station", roster.station_on[officer, day])
    for name in ("matter", "image", "reason"):
        fill(table, name, cases.column(name)[case])
    fill(
        table, "probe", np.where(rng.random(count) < 0.35, case * 16, case * 16 + rng.integers(1, 16, count))
    )
    other = rng.choice(np.array(LIST_LENGTHS), count, p=LIST_WEIGHTS)
    fill(table, "requested", np.where(case % OTHER_LIST == 0, other, lists[officer]))
    score = rng.beta(6.0, 3.0, count)
    found = np.where(score < 0.4, 0, rng.binomial(other, score.clip(0, 1)))
    fill(table, "returned", found * table["requested"] // other)
    fill(table, "score", (score * 10_000).round())
    fill(table, "lead", (score > 0.78) & (table["returned"] > 0))
    fill(table, "jitter", rng.integers(0, 1000, count))


def spread_over(
    roster: Roster, officer: int, first: int, days: int, count: int, rng: Generator
) -> tuple[Ints, Ints]:
    """Days and seconds for `count` searches of one officer, in duty hours from day `first` on."""
    posted = np.flatnonzero(roster.on_duty[officer, first : first + days]) + first
    choice = posted if len(posted) else np.arange(first, first + days)
    day = np.sort(rng.choice(choice, count))
    return day, draw_seconds(rng, roster.shift_on[officer, day])


def _subjects(cases: Casebook, count: int, known: float, rng: Generator) -> Ints:
    """A subject for each case: a new one, or one of those the department keeps meeting."""
    regulars = cases.meet(max(60, count // 60))
    weight = 1.0 / (np.arange(len(regulars)) + 4.0)
    subject = cases.meet(count)
    again = rng.random(count) < known
    subject[again] = rng.choice(regulars, int(again.sum()), p=weight / weight.sum())
    return subject


def _idle(roster: Roster, day: Ints, rng: Generator) -> NDArray[np.bool_]:
    """Whether a search planned for a day is not made then, because few work on such a weekday."""
    weekday = (day + roster.city.first.weekday()) % 7
    return np.asarray(rng.random(len(day)) > np.asarray(WEEKDAYS)[weekday] / max(WEEKDAYS))


def _colleagues(roster: Roster, officer: Ints, day: Ints, rng: Generator) -> Ints:
    """For each search somebody of the same unit on that day; the officer where chance finds nobody."""
    middle = roster.unit_on[: roster.city.officers, roster.city.days // 2]
    order = np.argsort(middle, kind="stable")
    units = np.arange(len(roster.city.units))
    start = np.searchsorted(middle[order], units)
    size = np.searchsorted(middle[order], units, side="right") - start
    unit = roster.unit_on[officer, day]
    pick = start[unit] + (rng.random(len(officer)) * size[unit]).astype(np.int64)
    found = order[pick.clip(max=len(order) - 1)]
    return np.where(roster.unit_on[found, day] == unit, found, officer)


def _running_total(gap: Ints, counted: Ints, group: Ints) -> Ints:
    """Sum of the gaps so far within each group; only rows with `counted` add to it."""
    total = np.cumsum(gap * counted)
    start = np.flatnonzero(np.r_[True, np.diff(group) != 0]) if len(group) else np.empty(0, dtype=np.int64)
    before = np.r_[0, total][start]
    lengths = np.diff(np.r_[start, len(group)])
    return np.asarray(total - np.repeat(before, lengths), dtype=np.int64)

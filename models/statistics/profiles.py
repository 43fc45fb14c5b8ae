"""What each requester did in the last four weeks, as columns: sums, peaks and sketches of sets.

A week's column holds about 150 bytes a requester, whatever the volume. How many different values there
were (subjects, cases, workstations ...) is told by linear counting (Whang et al. 1990): each value
sets one of 64 or 256 bits, and the number of bits that stay dark says how many values there were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
from msgspec import Struct

from models.statistics.negative_binomial import Floats, Ints
from models.windows import Day

WEEKS = 4
#: Sums by requester and week, in this order; the last is a peak.
SUMS = ("searches", "night", "weekend", "no_case", "listed", "candidates", "edited", "exigent", "busiest")
#: Sketched sets and their 64-bit words.
SETS = {"case_number": 4, "subject_ref": 4, "workstation_id": 1, "tool": 1, "purpose": 1, "image_source": 1}
WORDS = sum(SETS.values())
#: Searches that a share leans with on that of all, so that one search at night is not "always at night".
LEAN = 5.0
#: Ids of a requester's latest searches that are kept as evidence.
MOST_IDS = 20
#: Requesters in one block of a snapshot.
BLOCK = 500

FEATURES = {
    "searches": "searches",
    "cases": "cases",
    "subjects": "persons searched for",
    "per_case": "searches a case",
    "per_subject": "searches a person",
    "busiest": "searches on the busiest day",
    "night": "share of searches between 22 and 6",
    "weekend": "share of searches at weekends",
    "no_case": "share of searches without a case number",
    "candidates": "candidates asked for a search",
    "edited": "share of edited images",
    "exigent": "share of claimed emergencies",
    "workstations": "workstations",
    "tools": "tools",
    "purposes": "purposes",
    "image_sources": "kinds of images",
}


#: A sum for each feature, one for the forest, and how many there are.
PARTS = len(FEATURES) + 2
#: Weeks of an average colleague that everybody's own usual scores lean on, and the half-life of these.
STRENGTH, HALF_LIFE_WEEKS = 8.0, 26.0


class Profiles:
    """The columns. A row is a requester with a search in the last four weeks."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.units: list[str] = []
        self.ids: list[list[str]] = []
        self.rows: dict[str, int] = {}
        self.told: Ints = np.zeros(0, np.int64)
        """Day of the last finding of each, 0 before any."""
        self.usual: Floats = np.zeros((0, PARTS))
        """Discounted parts of each one's scores so far, and last their number."""
        self.sums: Ints = np.zeros((WEEKS, 0, len(SUMS)), np.int64)
        self.bits = np.zeros((WEEKS, 0, WORDS), np.uint64)
        self.week = 0
        """Place of the current week."""

    def __len__(self) -> int:
        """Number of requesters."""
        return len(self.names)

    def add(self, day: Day, canonical: Callable[[str], str]) -> None:
        """Take in a day; `canonical` names the tool behind a spelling."""
        by = day.manual_by("requester_id")
        if not by.names:
            return
        units, codes = day.column("unit_id")
        who = np.array([self._row(name) for name in by.names], np.int64)
        for group, row in enumerate(who.tolist()):
            own = by.of(group)
            self.units[row] = units[codes[own[-1]]]
            latest = [day.event_ids[index] for index in own[-MOST_IDS:].tolist()]
            self.ids[row] = (self.ids[row] + latest)[-MOST_IDS:]
        self._reserve()
        number, rows, groups = by.number, by.rows, len(by.names)
        sums, bits = self.sums[self.week], self.bits[self.week]

        def count(name: str, amount: Floats | np.ndarray) -> None:
            sums[who, SUMS.index(name)] += np.bincount(number, amount, groups).astype(np.int64)

        hours = day.hours[rows]
        sums[who, 0] += by.sizes
        sums[who, -1] = np.maximum(sums[who, -1], by.sizes)
        count("night", (hours >= 22) | (hours < 6))
        if day.number % 7 in (0, 6):  # ordinals count from a Monday, which is 1
            sums[who, SUMS.index("weekend")] += by.sizes
        count("no_case", day.column("case_number").where(lambda value: not value)[rows])
        listed = day.column("candidates_requested")
        count("listed", listed.where(lambda value: value is not None)[rows])
        count("candidates", np.array([value or 0 for value in listed.values], np.float64)[listed.codes][rows])
        count("edited", day.column("probe_edited").where(bool)[rows])
        count("exigent", day.column("exigent").where(bool)[rows])
        word = 0
        for name, words in SETS.items():
            values, codes = day.column(name)
            bit = _bits(values, 64 * words, canonical if name == "tool" else str)[codes][rows]
            seen = bit >= 0
            lit = np.uint64(1) << (bit[seen] % 64).astype(np.uint64)
            np.bitwise_or.at(bits, (who[number[seen]], word + bit[seen] // 64), lit)
            word += words

    def _row(self, name: str) -> int:
        row = self.rows.get(name)
        if row is None:
            row = self.rows[name] = len(self.names)
            self.names.append(name)
            self.units.append("")
            self.ids.append([])
        return row

    def _reserve(self) -> None:
        more = len(self.names) - self.sums.shape[1]
        if more:
            self.told = np.append(self.told, np.zeros(more, np.int64))
            self.usual = np.concatenate([self.usual, np.zeros((more, PARTS))])
            self.sums = np.concatenate([self.sums, np.zeros((WEEKS, more, len(SUMS)), np.int64)], axis=1)
            self.bits = np.concatenate([self.bits, np.zeros((WEEKS, more, WORDS), np.uint64)], axis=1)

    def beyond_usual(self, rows: Ints, shares: Floats) -> Floats:
        """By how much the parts of some scores exceed those that the requester usually has, then learn
        them. Usual is the mean over the weeks before, with eight weeks of an average colleague."""
        past = self.usual[rows]
        usual = (STRENGTH * shares.mean(axis=0) + past[:, :-1]) / (STRENGTH + past[:, -1:])
        self.usual *= 0.5 ** (1 / HALF_LIFE_WEEKS)
        self.usual[rows, :-1] += shares
        self.usual[rows, -1] += 1.0
        return np.asarray(np.maximum(shares - usual, 0.0))

    def turn(self) -> None:
        """Begin a week: the oldest is forgotten, and with it those who only searched then."""
        self.week = (self.week + 1) % WEEKS
        self.sums[self.week] = 0
        self.bits[self.week] = 0
        keep = np.flatnonzero(self.sums[:, :, 0].sum(axis=0) > 0)
        if len(keep) < len(self):
            self._keep(keep)

    def _keep(self, keep: Ints) -> None:
        self.names = [self.names[row] for row in keep.tolist()]
        self.units = [self.units[row] for row in keep.tolist()]
        self.ids = [self.ids[row] for row in keep.tolist()]
        self.rows = {name: row for row, name in enumerate(self.names)}
        self.told, self.usual = self.told[keep], self.usual[keep]
        self.sums, self.bits = self.sums[:, keep], self.bits[:, keep]

    def searches(self) -> Ints:
        """Searches of each requester in the last four weeks."""
        return np.asarray(self.sums[:, :, 0].sum(axis=0))

    def compared(self, least: int) -> tuple[Ints, Floats, Ints]:
        """Everybody with so many searches in the last four weeks: rows, features, and units as numbers.

        In the order of names, since the order of rows decides how a forest is cut."""
        enough = np.flatnonzero(self.searches() >= least)
        rows = np.array(sorted(enough.tolist(), key=self.names.__getitem__), np.int64)
        units = {unit: place for place, unit in enumerate(sorted({self.units[row] for row in rows}))}
        group = np.array([units[self.units[row]] for row in rows.tolist()], np.int64)
        return rows, self.features(rows), group

    def features(self, rows: Ints) -> Floats:
        """One row a requester, one column a feature of `FEATURES`."""
        sums = self.sums[:, rows].sum(axis=0).astype(np.float64)
        peak = self.sums[:, rows, -1].max(axis=0).astype(np.float64)
        made = sums[:, 0]

        def share(name: str, of: Floats) -> Floats:
            part = sums[:, SUMS.index(name)]
            usual = part.sum() / max(of.sum(), 1.0)
            return np.asarray((part + LEAN * usual) / (of + LEAN))

        sets = self._sizes(rows)
        found = {
            "searches": made,
            "cases": sets["case_number"],
            "subjects": sets["subject_ref"],
            "per_case": (made - sums[:, SUMS.index("no_case")] + LEAN) / (sets["case_number"] + LEAN),
            "per_subject": (made + LEAN) / (np.maximum(sets["subject_ref"], 1.0) + LEAN),
            "busiest": peak,
            **{name: share(name, made) for name in ("night", "weekend", "no_case", "edited", "exigent")},
            "candidates": share("candidates", sums[:, SUMS.index("listed")]),
            "workstations": sets["workstation_id"],
            "tools": sets["tool"],
            "purposes": sets["purpose"],
            "image_sources": sets["image_source"],
        }
        return np.round(np.column_stack([found[name] for name in FEATURES]), 9)

    def _sizes(self, rows: Ints) -> dict[str, Floats]:
        joined = np.bitwise_or.reduce(self.bits[:, rows], axis=0)
        lit = np.bitwise_count(joined).astype(np.float64)
        sizes, word = {}, 0
        for name, words in SETS.items():
            room = 64.0 * words
            dark = np.maximum(room - lit[:, word : word + words].sum(axis=1), 0.5)
            sizes[name] = np.round(room * np.log(room / dark))
            word += words
        return sizes

    def snapshot(self) -> dict[str, bytes]:
        """Blocks `profiles/N`; equal states give equal bytes."""
        blocks = {}
        for first in range(0, len(self), BLOCK):
            part = slice(first, first + BLOCK)
            blocks[f"profiles/{first // BLOCK:05d}"] = msgspec.msgpack.encode(
                _Block(
                    self.names[part], self.units[part], self.ids[part], self.told[part].tobytes(),
                    self.usual[part].tobytes(), self.sums[:, part].tobytes(), self.bits[:, part].tobytes(),
                )
            )  # fmt: skip
        return blocks

    def restore(self, blocks: Mapping[str, bytes], week: int) -> None:
        """Take back what `snapshot` gave. Raises ValueError when it cannot be read."""
        read = [
            msgspec.msgpack.decode(blocks[name], type=_Block)
            for name in sorted(blocks)
            if name.startswith("profiles/")
        ]
        self.__init__()  # type: ignore[misc]
        self.week = week
        for block in read:
            for name in block.names:
                self._row(name)
        self.units = [unit for block in read for unit in block.units]
        self.ids = [ids for block in read for ids in block.ids]
        if read:
            self.told = np.concatenate([np.frombuffer(block.told, np.int64) for block in read])
            self.usual = np.concatenate([np.frombuffer(block.usual).reshape(-1, PARTS) for block in read])
            self.sums = _joined([block.sums for block in read], np.int64, len(SUMS))
            self.bits = _joined([block.bits for block in read], np.uint64, WORDS)


class _Block(Struct, array_like=True):
    names: list[str]
    units: list[str]
    ids: list[list[str]]
    told: bytes
    usual: bytes
    sums: bytes
    bits: bytes


def _joined(raw: Sequence[bytes], kind: Any, width: int) -> np.ndarray:
    return np.concatenate([np.frombuffer(one, kind).reshape(WEEKS, -1, width) for one in raw], axis=1)


def _bits(values: Sequence[str | None], room: int, name: Callable[[str], str]) -> Ints:
    """The bit, of so many, that stands for each value; -1 for none."""
    checks = [-1 if value is None else crc32(name(value).encode()) for value in values]
    found = np.array(checks, np.int64)
    return np.where(found < 0, -1, ((found * 2_654_435_761 & 0xFFFFFFFF) >> 24) % room)

"""Which sources and agencies have to do with each other, and how they are dealt out to processes.

A source that feeds two agencies ties them together, and an agency that two sources feed ties those: its
days wait for both. What is not tied together influences each other in nothing, so that it can be judged
apart. One part holds some of these groups whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.backtesting.survey import Surveyed
from models.reference import Reference

#: Parts for each process: what is done is let go of, so that more of them need less memory at a time.
PARTS_A_JOB = 4
#: In the map of lines: no part has it.
NOBODY = 0xFFFF


@dataclass(frozen=True)
class Partition:
    """`of_line` has the part of each line of all logs, `NOBODY` for empty ones and ticks; `sources` the
    sources of each part, `lines` how many lines it has."""

    of_line: NDArray[np.uint16]
    sources: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]


def partition(found: Surveyed, references: Sequence[Reference], jobs: int) -> Partition:
    """Deal the groups out, the largest first, each to the part that has least; at most so many parts as
    keep `jobs` processes busy. The same logs are always dealt out in the same way."""
    group_of = _groups(found, references)
    weight: dict[str, int] = dict.fromkeys(group_of.values(), 0)
    by_code = np.bincount(found.codes[found.codes >= 0], minlength=len(found.pairs))
    for (source, _), number in zip(found.pairs, by_code.tolist(), strict=True):
        weight[group_of[source]] += number
    number_of_parts = max(1, min(len(weight), PARTS_A_JOB * jobs if jobs > 1 else 1, NOBODY))
    loads = [0] * number_of_parts
    part_of: dict[str, int] = {}
    for group in sorted(weight, key=lambda name: (-weight[name], name)):
        part_of[group] = least = loads.index(min(loads))
        # Quiet sources are dealt out too.
        loads[least] += weight[group] or 1
    parts_of_pair = [part_of[group_of[source]] for source, _ in found.pairs]
    # The last two stand for `UNREADABLE`, which have to do with nobody and go to the first, and `NO_LINE`.
    of_line = np.array([*parts_of_pair, 0, NOBODY], np.uint16)[found.codes]
    sources: dict[int, list[str]] = defaultdict(list)
    for source, group in sorted(group_of.items()):
        sources[part_of[group]].append(source)
    counted = np.bincount(of_line[of_line != NOBODY], minlength=number_of_parts)
    return Partition(
        of_line, tuple(tuple(sources[part]) for part in range(number_of_parts)), tuple(counted.tolist())
    )


def _groups(found: Surveyed, references: Sequence[Reference]) -> Mapping[str, str]:
    """Each source's group, named by its first source."""
    tied: dict[str, str] = {}

    def top(node: str) -> str:
        while tied.setdefault(node, node) != node:
            tied[node] = node = tied[tied[node]]
        return node

    declared = [
        (one.source_id, one.agency_id)
        for reference in references
        for one in reference.sources.values()
        if one.source_id != "*"
    ]
    # The two kinds of names must not meet.
    for source, agency in (*found.pairs, *declared):
        root = top(f"s{source}")
        if agency is not None and agency != "*":
            other = top(f"a{agency}")
            first, last = sorted((root, other), reverse=True)
            tied[last] = first
    sources = {source for source, _ in (*found.pairs, *declared)}
    return {source: top(f"s{source}") for source in sources}

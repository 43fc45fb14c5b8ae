"""The counting detector stopped and started, and its days in another order: nothing changes."""

from __future__ import annotations

import random

import pytest

from models.alert import Finding
from models.calendar import Event
from models.detectors.high_count import HighCountSettings
from models.statistics.tally import MOST_REMEMBERED
from tests.officers import START, Lane, burst, closed, detector, honest, reference, roster, run, search


@pytest.mark.parametrize("settings", [
    HighCountSettings(),
    HighCountSettings(by="unit", over="agency", calendar=True, half_life_days=60.0),
    HighCountSettings(by="agency", over="none"),
])  # fmt: skip
def test_a_restart_changes_nothing(settings: HighCountSettings) -> None:
    of = reference(roster(), [Event(date=START + 110, agency_id="lapd", size=10_000)])
    log = honest(130)
    for day in range(START + 105, START + 118):
        log[day] += burst(day, 9)
    last = START + 129
    log[last] += burst(last, 100)
    steady = detector(settings, of)
    expected = list(run(steady, log))
    assert expected
    found: list[tuple[int, Finding]] = []
    watch = detector(settings, of)
    for day, searches in log.items():
        lane = Lane(watch)
        for one in searches:
            lane.observe(one)
        if day % 5 == 0:
            blocks = watch.snapshot()
            watch = detector(settings, of)
            watch.restore(blocks)
            assert watch.snapshot() == blocks
        found += run(watch, {day: searches})
    assert found == expected
    assert watch.snapshot() == steady.snapshot()


def test_provisional_findings_survive_a_restart() -> None:
    """With several days open, a day tells the same whether or not the program stopped between."""
    log = honest(122)
    steady = detector()
    list(run(steady, {day: log[day] for day in range(START, START + 119)}))
    stopped = detector()
    stopped.restore(steady.snapshot())
    later = START + 121
    early, rest = burst(later, 25)[:2], burst(later, 25)[2:]
    lanes = {}
    for watch in (steady, stopped):
        lanes[watch] = Lane(watch)
        assert not any(lanes[watch].observe(one) for one in early)
        list(run(watch, {START + 119: log[START + 119]}))
    again = detector()
    again.restore(stopped.snapshot())
    lanes[again] = Lane(again)
    for one in early:
        lanes[again].observe(one)
    told = [lanes[steady].observe(one) for one in rest]
    assert told == [lanes[again].observe(one) for one in rest]
    # And it does not matter how many came together.
    together = detector()
    together.restore(stopped.snapshot())
    assert Lane(together).observe(*early, *rest) == [finding for findings in told for finding in findings]


def test_the_order_of_arrival_does_not_matter_to_the_end() -> None:
    log = honest(121)
    for day in (START + 119, START + 120):
        log[day] += burst(day, 12)
    shuffled = random.Random(5)
    results = []
    for _ in range(2):
        watch = detector()
        found: list[tuple[int, Finding]] = []
        for day, searches in log.items():
            arrived = shuffled.sample(searches, len(searches))
            lane = Lane(watch)
            for one in arrived:
                lane.observe(one)
            found += run(watch, {day: arrived})
        results.append((found, watch.snapshot()))
    assert results[0] == results[1] and results[0][0]


def test_blocks_are_small_and_keys_bounded() -> None:
    watch = detector()
    day = START
    crowd = [search(day, n, f"officer-{n:05d}" + "x" * 100, "harbor") for n in range(2000)]
    crowd += burst(day, 500)
    list(watch.close(closed(day, crowd)))
    blocks = watch.snapshot()
    assert max(map(len, blocks.values())) <= 512_000
    assert sum(map(len, blocks.values())) <= 2001 * watch.bytes_per_key
    assert len(watch._evidence.of("officer-04", day, day)) == MOST_REMEMBERED
    again = detector()
    again.restore(blocks)
    assert again.snapshot() == blocks


def test_an_unreadable_state_is_refused() -> None:
    watch = detector()
    list(run(watch, honest(3)))
    blocks = watch.snapshot()
    with pytest.raises(ValueError, match="shared"):
        detector().restore({**blocks, "shared": b"\xc1"})
    with pytest.raises(ValueError, match="evidence"):
        detector().restore({**blocks, "evidence/0/00000": b"\xc1"})

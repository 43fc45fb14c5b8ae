"""How the p-values of pauses fall: what operations see of the detector `silence`."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from models.alert import Finding
from models.detectors.base import SourceDay
from models.detectors.silence import HOUR, Silence, SilenceSettings
from models.p_values import BOUNDS

DAY = 24 * HOUR


def watched(busy: float, days: int, gap: range = range(0)) -> Counter[int]:
    """A source that is active in each hour by chance, at night half as often, but for the days of a gap."""
    detector, counted, chance = Silence("silence", SilenceSettings(), "feed"), Counter[int](), Random(3)
    for number in range(days):
        hours = [] if number in gap else [
            hour for hour in range(24) if chance.random() < (busy if hour > 7 else busy / 2)
        ]  # fmt: skip
        times = tuple(number * DAY + hour * HOUR + chance.uniform(0, HOUR) for hour in hours)
        ids = tuple(f"{number}-{hour}" for hour in hours)
        day = SourceDay("feed", number, number * DAY, (number + 1) * DAY, times, (None,) * len(ids), ids)
        detector.close(day)
        if detector.p_values.some:
            counted.update(detector.p_values.take(detector.tested(day)))
    return counted


@pytest.mark.parametrize("busy", [0.1, 0.4])
def test_pauses_of_an_honest_log_are_no_rarer_than_they_say_and_not_much_commoner(busy: float) -> None:
    counted = watched(busy, 1500)
    total = sum(counted.values())
    for place, bound in enumerate(BOUNDS):
        share = sum(counted[at] for at in range(place + 1)) / total
        assert share <= 1.3 * bound + 3 / total, bound
        assert share >= 0.1 * bound or bound < 0.01, bound


def test_a_silence_is_counted_once_when_it_is_over() -> None:
    before, during, after = (watched(0.4, days, range(100, 106)) for days in (100, 106, 107))
    assert during == before and sum((after - during).values()) > 1
    grave = BOUNDS.index(1e-5)
    assert [sum(one[at] for at in range(grave + 1)) for one in (during, after)] == [0, 1]


def test_nothing_is_counted_before_there_is_a_history() -> None:
    assert not watched(0.4, 28) and watched(0.4, 30)


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_hot_list_that_ends_leaves_no_silence_but_a_log_of_nothing_else_does(by_hand: bool) -> None:
    detector, chance = Silence("silence", SilenceSettings(), "feed"), Random(5)
    told: list[Finding | None] = []
    for number in range(120):
        hours = [hour for hour in range(8, 20) if chance.random() < 0.2] if by_hand and number != 102 else []
        looked_up = list(range(24)) if 80 <= number < 100 else []
        made = sorted(
            [(hour * HOUR + 60.0, False) for hour in hours] + [(hour * HOUR, True) for hour in looked_up]
        )
        times = tuple(number * DAY + at for at, _ in made)
        ids = tuple(f"{at}" for at in times)
        told += detector.close(
            SourceDay(
                "feed",
                number,
                number * DAY,
                (number + 1) * DAY,
                times,
                (None,) * len(ids),
                ids,
                automatic=tuple(automatic for _, automatic in made),
            )  # fmt: skip
        )
    assert bool(told) is not by_hand

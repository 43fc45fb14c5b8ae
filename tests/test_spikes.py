"""Spikes round demonstrations: p-values under normal use, and what each comparison is for."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from models.statistics.counts import Counts
from models.statistics.spikes import AFTER, FORTNIGHT, LENGTH, Spike, cauchy, compare

FIRST = date(2021, 3, 1).toordinal()
PLACES = 12


def spikes(daily: np.ndarray, every: int = 14) -> list[tuple[int, Spike]]:
    """Daily counts (days x places x [all, picked]) compared round an event on every so many days."""
    counts = Counts((1, LENGTH), 60.0, pooled=False, shared=False)
    places = daily.shape[1]
    for place in range(places):
        counts.history.enter(f"area:{place}", counts.group("place"))
        counts.history.enter(f"area:{place}\n", counts.group("place, picked"))
    rows, picked = np.arange(2 * places), np.arange(2 * places) % 2 == 1
    calm = np.ones((FORTNIGHT, 2 * places), np.bool_)
    found = []
    for number, day in enumerate(daily.reshape(len(daily), -1)):
        told = counts.close(FIRST + number, rows, day, day)
        event = FIRST + number - AFTER
        if number > 120 and event % every == 0:
            centres = [event - 7 * week for week in (1, 3, 5, 7)]
            found.append((number, compare(counts, told, picked, FIRST + number, event, centres, calm)))
    return found


def together(spike: Spike) -> np.ndarray:
    """The p-value of every place."""
    rows = np.arange(0, len(spike.mean), 2)
    return spike.together(rows, rows + 1)


@pytest.mark.parametrize("mean", [0.5, 4.0, 60.0])
def test_p_values_are_uniform_under_normal_use(mean: float) -> None:
    rng = np.random.default_rng(11)
    # Every place has good and bad days, and one case in twenty-five names no offence.
    unrest = rng.gamma(20.0, 1 / 20.0, (900, PLACES))
    cases = rng.poisson(mean * unrest)
    daily = np.stack([cases, rng.binomial(cases, 0.04)], axis=2)
    p = np.concatenate([together(spike) for _, spike in spikes(daily)])
    assert len(p) > 600
    for level in (0.3, 0.1, 0.03):
        share = (p <= level).mean()
        spread = 3 * np.sqrt(level / len(p))
        # Whole counts make p a little too large.
        assert 0.5 * level - spread <= share <= 1.2 * level + spread, level


def test_a_spike_in_one_place_stands_out_and_one_everywhere_does_so_in_the_past_alone() -> None:
    rng = np.random.default_rng(12)
    cases = rng.poisson(5.0, (200, PLACES))
    daily = np.stack([cases, np.zeros_like(cases)], axis=2)
    number = next(number for number, _ in spikes(daily))
    alone, everywhere = daily.copy(), daily.copy()
    alone[number - LENGTH + 1 : number + 1, 3, 0] += 8
    everywhere[number - LENGTH + 1 : number + 1, :, 0] += 8
    one, all_ = spikes(alone)[0][1], spikes(everywhere)[0][1]
    assert together(one)[3] < 1e-4 < together(one)[[0, 1, 2, 4]].min()
    past, context, _ = all_.p[:, 6]
    assert past < 1e-4 and context > 100 * past


def test_a_wave_that_began_before_is_no_matter_of_the_event() -> None:
    rng = np.random.default_rng(14)
    cases = rng.poisson(5.0, (200, PLACES))
    daily = np.stack([cases, np.zeros_like(cases)], axis=2)
    number = next(number for number, _ in spikes(daily))
    wave, spike = daily.copy(), daily.copy()
    wave[number - LENGTH - 9 : number + 1, 3, 0] += 6
    spike[number - LENGTH + 1 : number + 1, 3, 0] += 6
    assert together(spikes(wave)[0][1])[3] > 1e-3 > 1e-4 > together(spikes(spike)[0][1])[3]


def test_a_fortnight_that_is_missing_from_the_log_makes_nothing_suspicious() -> None:
    rng = np.random.default_rng(15)
    cases = rng.poisson(5.0, (200, PLACES))
    daily = np.stack([cases, np.zeros_like(cases)], axis=2)
    number = next(number for number, _ in spikes(daily))
    silent = daily.copy()
    silent[number - LENGTH - 9 : number - LENGTH + 1] = 0
    assert together(spikes(silent)[0][1]).min() > 1e-3


def test_picked_cases_must_be_unusual_beside_the_others_and_the_control_days() -> None:
    rng = np.random.default_rng(13)
    cases = rng.poisson(5.0, (200, PLACES))
    daily = np.stack([cases, np.zeros_like(cases)], axis=2)
    number = next(number for number, _ in spikes(daily))
    hidden, form = daily.copy(), daily.copy()
    hidden[number - LENGTH + 1 : number + 1, 3, 1] += 2
    form[number - 40 :, :, 1] = form[number - 40 :, :, 0]
    assert together(spikes(hidden)[0][1])[3] < 1e-3
    assert together(spikes(form)[0][1]).min() > 1e-3


def test_a_comparison_that_is_not_possible_is_left_out() -> None:
    p = np.array([[0.02, np.nan], [np.nan, np.nan]])
    assert cauchy(p, np.array([0.5, 0.5])).round(6).tolist() == [0.02, 1.0]

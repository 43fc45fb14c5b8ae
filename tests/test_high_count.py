"""The counting detector on small agencies: what must be told, what must not, and when."""

from __future__ import annotations

import random
import re
from datetime import date

import msgspec
import numpy as np
import pytest

from models.calendar import Event
from models.detectors.high_count import HighCountSettings
from tests.officers import (
    DAYS,
    START,
    UNITS,
    Lane,
    burst,
    closed,
    detector,
    honest,
    posted,
    reference,
    roster,
    run,
    search,
)


def test_a_quiet_year_raises_nothing() -> None:
    assert list(run(detector(), honest(365))) == []


def test_a_burst_is_told_with_its_evidence() -> None:
    log = honest(120)
    day = START + 119
    log[day] = [*log[day], *burst(day, 25)]
    found = [finding for number, finding in run(detector(), log) if number == day]
    assert [finding.entity for finding in found] == ["officer-04"]
    finding = found[0]
    assert finding.entity_kind == "requester" and finding.unit_id == "harbor"
    assert finding.severity == "critical"
    assert finding.p_value is not None and finding.p_value < 1e-12
    assert finding.score == pytest.approx(-np.log(finding.p_value))
    assert finding.observed is not None and finding.observed >= 25
    assert finding.expected is not None and finding.interval is not None
    assert finding.interval[0] <= finding.expected <= finding.interval[1] < finding.observed
    own = [one.event_id for one in log[day] if one.requester_id == "officer-04"]
    assert list(finding.evidence) == own and finding.evidence_count is None
    assert finding.window_end == DAYS.end(day) and finding.window_start == DAYS.start(day)
    assert f"{len(own)} searches in 1 day to 4 May 2020 where" in finding.explanation
    assert "; unit median " in finding.explanation and "; p = " in finding.explanation


def test_the_fast_lane_tells_a_burst_once_and_the_slow_lane_confirms_it() -> None:
    watch, log = detector(), honest(120)
    day = START + 119
    log.pop(day)
    list(run(watch, log))
    lane = Lane(watch)
    told = [(n, lane.observe(one)) for n, one in enumerate(burst(day, 25), 1)]
    alarms = [(n, findings[0]) for n, findings in told if findings]
    assert len(alarms) == 1
    number, finding = alarms[0]
    assert 3 <= number <= 15
    assert finding.entity == "officer-04" and len(finding.evidence) >= number
    assert finding.p_value is not None and finding.p_value <= watch.settings.alpha
    # One search earlier it was not yet enough: closing the day with it must raise nothing.
    blocks = watch.snapshot()
    short, full = detector(), detector()
    short.restore(blocks)
    full.restore(blocks)
    assert not list(short.close(closed(day, burst(day, number - 2))))
    assert [one.entity for one in full.close(closed(day, burst(day, number + 1)))] == ["officer-04"]


def test_a_sustained_rise_is_found_by_the_longer_windows() -> None:
    log = honest(150)
    for day in range(START + 120, START + 134):
        log[day] = [*log[day], *burst(day, 3)]
    found = [(number, finding) for number, finding in run(detector(), log)]
    assert {finding.entity for _, finding in found} == {"officer-04"}
    first = found[0][1]
    assert first.window_end - first.window_start > 6 * 86_400
    assert len(first.evidence) <= first.evidence_count if first.evidence_count else True
    # A quiet day after it is not told again, though the windows still remember.
    assert all(any(one.requester_id == "officer-04" for one in log[number]) for number, _ in found)


def test_a_burst_is_not_told_again_by_windows_that_still_hold_it() -> None:
    log = honest(220)
    day = START + 119
    log[day] += burst(day, 40)
    assert max(number for number, _ in run(detector(), log)) <= day + 7
    # What comes weeks later is new, and told by the windows that do not reach back.
    later = START + 170
    log[later] += burst(later, 40)
    days = {number for number, _ in run(detector(), log)}
    assert {day, later} <= days <= {*range(day, day + 8), *range(later, later + 8)}


def test_several_searches_of_one_case_are_one_case() -> None:
    log = honest(120)
    day = START + 119
    many = [
        search(day, 2000 + n, f"officer-{n % 6 * 3 + 1:02d}", "harbor", f"case-{n % 6}") for n in range(18)
    ]
    log[day] = [*log[day], *many]
    assert list(run(detector(), log)) == []
    # Nor is a case that was searched for in the weeks before a new one.
    later = {day: list(searches) for day, searches in log.items()}
    later[day] = log[day] + [search(day, 5000 + n, "officer-04", "harbor", f"old-{n}") for n in range(8)]
    assert [finding.entity for _, finding in run(detector(), later)] == ["officer-04"]
    for n in range(8):
        later[START + 96 + n] = [
            *later[START + 96 + n],
            search(START + 96 + n, 5000, "officer-04", "harbor", f"old-{n}"),
        ]
    assert START + 119 not in dict(run(detector(HighCountSettings(allowance=10)), later))
    # But not without end: beyond the allowance repeats count too.
    log[day] = [*log[day], *(search(day, 3000 + n, "officer-04", "harbor", "case-9") for n in range(30))]
    found = [finding for _, finding in run(detector(), log)]
    assert [finding.entity for finding in found] == ["officer-04"]
    assert " counting as " in found[0].explanation


def test_automatic_look_ups_do_not_count_towards_a_person() -> None:
    log = honest(120)
    day = START + 119
    log[day] += [search(day, 4000 + n, "officer-04", "harbor", kind="hotlist") for n in range(200)]
    assert list(run(detector(), log)) == []
    assert [f.entity for _, f in run(detector(HighCountSettings(automatic=True)), log)] == ["officer-04"]


def test_a_condition_picks_what_is_counted() -> None:
    log = honest(120)
    day = START + 119
    log[day] += burst(day, 25)
    only = HighCountSettings(when="missing(case_number) and tool != 'lacris'")
    assert list(run(detector(only), log)) == []


def test_a_units_figures_are_those_of_its_officers() -> None:
    watch, log = detector(), honest(120)
    log[START + 119] = [*log[START + 119], *burst(START + 119, 9)]
    for _ in run(watch, log):
        pass
    figures, last = watch.figures(), log[START + 119]
    for unit in UNITS:
        made = [one for one in last if one.unit_id == unit]
        assert figures["unit_observed", unit] == len(made)
        usual = sum(one.unit_id == unit for day in log.values() for one in day) / 120
        assert figures["unit_expected", unit] == pytest.approx(usual, rel=0.5)


def test_nothing_is_told_before_there_is_history() -> None:
    settings = HighCountSettings()
    log = honest(2 * settings.minimum_history_days)
    for day in log:
        log[day] += burst(day, 40 if (day - START) % 10 == 9 else 0)
    assert list(run(detector(), log)) == []
    # An unknown requester is not judged in the first 30 days, however many searches there are.
    log = honest(140)
    for day in range(START + 100, START + 129):
        log[day] += burst(day, 20, "stranger")
    assert list(run(detector(), log)) == []


def test_a_newcomer_is_judged_by_the_units_habits() -> None:
    joined = START + 120
    of = reference(roster(posted("newcomer", "harbor", joined)))
    log = honest(150)
    rng = random.Random(3)
    for day in range(joined, START + 150):
        log[day] += burst(day, rng.choice((0, 0, 1, 1, 2)), "newcomer")
    assert list(run(detector(of=of), log)) == []
    day = joined + 14
    log[day] += burst(day, 30, "newcomer")[5:]
    found = list(run(detector(of=of), log))
    assert found[0][0] == day and found[0][1].entity == "newcomer"
    # Who has been posted for long but never searched is not new: the quiet days count.
    old = reference(roster(posted("newcomer", "harbor", START - 300)))
    watch = detector(of=old)
    list(run(watch, {day: searches for day, searches in log.items() if day <= joined + 3}))
    row = watch._counts.history.rows["newcomer"]
    assert int(watch._counts.history.days[row]) == joined + 4 - START


def test_a_transfer_starts_anew() -> None:
    """From a unit with little to search to one with much: the roster makes it no surprise."""
    moved = START + 150
    log = honest(200, rate=1.5)
    for day, searches in log.items():
        log[day] = [one for one in searches if one.requester_id != "officer-04" or day >= moved]
    quiet = [posted("officer-04", "records", START - 300, moved), posted("officer-04", "harbor", moved)]
    rng = np.random.default_rng(12)
    for day in range(START, START + 200):
        log[day] += burst(day, int(rng.poisson(4.0)) if day >= moved else int(rng.random() < 0.1))
    with_roster = detector(of=reference(roster(*quiet, leave_out="officer-04")))
    assert not [f for _, f in run(with_roster, log) if f.entity == "officer-04"]
    history = with_roster._counts.history
    row = history.rows["officer-04"]
    assert int(history.days[row]) == 50 and int(history.since[row]) == moved
    without = detector()
    assert [f for _, f in run(without, log) if f.entity == "officer-04"]


def test_on_leave_nothing_is_expected() -> None:
    left, back = START + 100, START + 140
    postings = [posted("officer-04", "harbor", START - 300, left), posted("officer-04", "harbor", back)]
    watch = detector(of=reference(roster(*postings, leave_out="officer-04")))
    log = {
        day: [one for one in searches if one.requester_id != "officer-04" or not left <= day < back]
        for day, searches in honest(140).items()
    }
    list(run(watch, log))
    row = watch._counts.history.rows["officer-04"]
    past = watch._counts.history
    assert not past.active[row]
    assert past.window_exposure[0, row] == 0 and past.window_exposure[2, row] == pytest.approx(0, abs=1e-9)


def test_windows_are_local_days_where_the_clocks_change() -> None:
    for change, hours in ((date(2020, 3, 8), 23), (date(2020, 11, 1), 25)):
        day = change.toordinal()
        log = honest(day - START + 1)
        log[day] += burst(day, 25)
        found = [finding for number, finding in run(detector(), log) if number == day]
        assert [finding.entity for finding in found] == ["officer-04"]
        assert found[0].window_end - found[0].window_start == hours * 3600


def test_long_beach_2020_is_told_within_days() -> None:
    """One unit's searches rise fivefold after the demonstrations of 30 and 31 May 2020."""
    first = date(2020, 5, 30).toordinal()
    events = [
        Event(date=first, agency_id="lapd", size=10_000, interventions=3),
        Event(date=first + 1, agency_id="lapd", size=3_000, interventions=2),
    ]
    log = honest(first - START + 21)
    rng = np.random.default_rng(30)
    for day in range(first + 1, first + 21):
        for officer in range(1, 36, 3):
            log[day] += burst(day, int(rng.poisson(1.6)), f"officer-{officer:02d}")
    for over in ("agency", "none"):
        settings = HighCountSettings(by="unit", over=over, calendar=True, half_life_days=60, alpha=3e-4)
        found = list(run(detector(settings, reference(events=events)), log))
        assert found and found[0][0] <= first + 3
        assert {finding.entity for _, finding in found} == {"harbor"}
        assert found[0][1].unit_id == "harbor"
        said = " ".join(finding.explanation for _, finding in found)
        assert re.search(r"within two days of the demonstration of 3[01] May 2020 \(size (10|3),000\)", said)
    small = [msgspec.structs.replace(event, size=20, interventions=0) for event in events]
    settings = HighCountSettings(by="unit", over="agency", calendar=True, half_life_days=60, alpha=3e-4)
    light = list(run(detector(settings, reference(events=small)), log))
    assert light and not any("demonstration" in finding.explanation for _, finding in light)


def test_a_demonstration_is_compared_with_matched_days() -> None:
    """A rise too small for the usual windows, but only round the event: four days together."""
    first = date(2020, 5, 30).toordinal()
    event = Event(date=first, agency_id="*", size=10_000, interventions=3)
    log = honest(first - START + 3)
    for day in range(first - 1, first + 3):
        log[day] += burst(day, 8)
    plain = HighCountSettings(by="unit", over="agency", windows=(1,), half_life_days=60, alpha=3e-4)
    matched = msgspec.structs.replace(plain, calendar=True)
    assert list(run(detector(plain, reference(events=[event])), log)) == []
    found = list(run(detector(matched, reference(events=[event])), log))
    assert [(number, finding.entity) for number, finding in found] == [(first + 2, "harbor")]
    assert "on average on 4 matched occasions" in found[0][1].explanation
    assert found[0][1].window_start == DAYS.start(first - 1)


def test_agencies_and_tools_without_peers_stand_alone() -> None:
    settings = HighCountSettings(by="tool", over="none", of="searches")
    log = honest(120)
    alone = {day: list(searches) for day, searches in log.items()}
    day = START + 119
    for one_day in log:
        log[one_day] += [msgspec.structs.replace(one, tool="other") for one in burst(one_day, 50)]
    for each in (log, alone):
        each[day] += burst(day, 60)
    findings = [{f.entity: f for _, f in run(detector(settings), each)} for each in (log, alone)]
    assert findings[0] == findings[1] and list(findings[0]) == ["lacris"]


def test_requesters_without_peers_stand_alone() -> None:
    settings = HighCountSettings(over="none")
    log = honest(120)
    day = START + 119
    log[day] += burst(day, 25)
    own = {d: [one for one in searches if one.requester_id == "officer-04"] for d, searches in log.items()}
    together = [f for _, f in run(detector(settings), log) if f.entity == "officer-04"]
    assert together and together == [f for _, f in run(detector(settings), own)]


def test_settings_that_do_not_go_together_are_refused() -> None:
    for wrong, cure in (
        ({"by": "unit", "over": "unit"}, "write agency or none"),
        ({"by": "requester", "calendar": True}, "needs by: unit"),
        ({"windows": [7, 7]}, "given twice"),
        ({"windows": [91]}, "<= 90"),
        ({"alpha": 0.5}, "<= 0.1"),
        ({"alfa": 0.1}, "unknown field"),
    ):
        with pytest.raises(msgspec.ValidationError, match=cure):
            msgspec.convert(wrong, HighCountSettings)

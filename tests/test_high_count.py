"""The counting detector on small agencies: what must be told, what must not, and when."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
import pytest

from models.alert import Finding
from models.calendar import Calendar, Event
from models.columns import Columns
from models.days import LocalDays
from models.detectors.base import Arrivals, Day
from models.detectors.high_count import HighCount, HighCountSettings
from models.reference import Agency, Reference
from models.roster import Posting, Roster
from models.search import Search, SearchType
from models.statistics.tally import MOST_REMEMBERED
from models.windows import OpenDay

ZONE = "America/Los_Angeles"
DAYS = LocalDays(ZONE)
START = date(2020, 1, 6).toordinal()
UNITS = ("central", "harbor", "vice")


def reference(postings: Iterable[Posting] = (), events: Iterable[Event] = ()) -> Reference:
    agency = Agency(agency_id="lapd", timezone=ZONE)
    return Reference(agencies={"lapd": agency}, roster=Roster(postings), calendar=Calendar(events))


def detector(setting: HighCountSettings | None = None, of: Reference | None = None) -> HighCount:
    return HighCount("volume", setting or HighCountSettings(), of or reference(), "lapd")


def search(
    day: int, number: int, requester: str, unit: str, case: str | None = None, kind: SearchType = "manual"
) -> Search:
    at = datetime.fromtimestamp(DAYS.start(day), UTC) + timedelta(hours=8, seconds=number)
    return Search(
        event_id=f"{day}-{requester}-{unit}-{number}", event_time=at, source_id="county", agency_id="lapd",
        requester_id=requester, unit_id=unit, tool="lacris", gallery="mugshots", purpose="investigation",
        image_source="cctv", case_number=case, search_type=kind,
    )  # fmt: skip


def closed(number: int, searches: Iterable[Search]) -> Day:
    return Day.of("lapd", number, DAYS, list(searches))


class Lane:
    """The fast lane of a detector, with open days of its own."""

    def __init__(self, watch: HighCount) -> None:
        self.watch = watch
        self.days: dict[int, OpenDay] = {}

    def observe(self, *searches: Search) -> list[Finding]:
        """What is told of searches of one day that arrive together."""
        (number,) = {DAYS.at(one.event_time.timestamp()).day for one in searches}
        day = self.days.setdefault(number, OpenDay(number))
        first = len(day)
        day.add(Columns.of(searches))
        arrivals = Arrivals(day, first, np.arange(len(searches)))
        return [finding for _, finding in self.watch.observe([arrivals])]


def honest(days: int, *, rate: float = 0.4, officers: int = 36, seed: int = 1) -> dict[int, list[Search]]:
    """An agency of three units; officer N serves in unit N modulo 3, each search its own case."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(2.0, rate / 2, officers)
    return {
        day: [
            search(day, number, f"officer-{officer:02d}", UNITS[officer % 3])
            for officer, count in enumerate(rng.poisson(rates).tolist())
            for number in range(count)
        ]
        for day in range(START, START + days)
    }


def run(watch: HighCount, log: dict[int, list[Search]]) -> Iterator[tuple[int, Finding]]:
    for number, searches in log.items():
        day = closed(number, searches)
        findings = list(watch.close(day))
        watch.told(day, findings)
        for finding in findings:
            yield number, finding


def burst(day: int, number: int, requester: str = "officer-04", unit: str = "harbor") -> list[Search]:
    return [search(day, 1000 + each, requester, unit) for each in range(number)]


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


def posted(requester: str, unit: str, first: int, to: int | None = None) -> Posting:
    return Posting(requester_id=requester, agency_id="lapd", unit_id=unit, valid_from=first, valid_to=to)


def roster(*extra: Posting, leave_out: str = "") -> list[Posting]:
    everyone = [f"officer-{n:02d}" for n in range(36)]
    regular = [
        posted(name, UNITS[n % 3], START - 500) for n, name in enumerate(everyone) if name != leave_out
    ]
    return [*regular, *extra]


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


def test_an_unreadable_state_is_refused() -> None:
    watch = detector()
    list(run(watch, honest(3)))
    blocks = watch.snapshot()
    with pytest.raises(ValueError, match="shared"):
        detector().restore({**blocks, "shared": b"\xc1"})
    with pytest.raises(ValueError, match="evidence"):
        detector().restore({**blocks, "evidence/0/00000": b"\xc1"})

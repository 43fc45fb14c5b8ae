"""Local days and hours against the standard library's zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.days import LocalDays, instant

#: Usual zones, quarter and half hours, half-hour clock changes, a day that never was, midnight changes.
ZONES = (
    "UTC", "America/Los_Angeles", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham", "Asia/Kolkata",
    "Australia/Lord_Howe", "Pacific/Apia", "America/Havana", "America/Sao_Paulo", "Africa/Cairo",
)  # fmt: skip
DAYS = {zone: LocalDays(zone) for zone in ZONES}
zones = st.sampled_from(ZONES)


@given(zones, st.floats(946_684_800, 4_102_444_799))
def test_an_instant_falls_where_the_standard_library_says(zone: str, at: float) -> None:
    local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))
    found = DAYS[zone].at(at)
    assert (date.fromordinal(found.day), found.hour) == (local.date(), local.hour)


@given(zones, st.dates(date(2000, 1, 1), date(2099, 12, 30)))
def test_days_follow_one_another_without_gap_or_overlap(zone: str, day: date) -> None:
    days, number = DAYS[zone], day.toordinal()
    start, end = days.start(number), days.end(number)
    assert end == days.start(number + 1)
    if (zone, day) == ("Pacific/Apia", date(2011, 12, 30)):
        return  # Samoa went over the date line and left this day out; see below
    assert start < end
    assert days.at(start).day == days.at(end - 0.001).day == number
    assert days.at(start - 0.001).day < number < days.at(end).day


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Los_Angeles", date(2021, 3, 13), 24),
        ("America/Los_Angeles", date(2021, 3, 14), 23),
        ("America/Los_Angeles", date(2021, 11, 7), 25),
        ("Australia/Lord_Howe", date(2021, 4, 4), 24.5),
        ("Australia/Lord_Howe", date(2021, 10, 3), 23.5),
        ("Pacific/Chatham", date(2021, 9, 26), 23),
        ("America/Havana", date(2021, 3, 14), 23),
        ("America/Havana", date(2021, 11, 7), 25),
        ("Africa/Cairo", date(2023, 4, 28), 23),
        ("Pacific/Apia", date(2011, 12, 30), 0),
        ("Pacific/Apia", date(2011, 12, 29), 24),
        ("Pacific/Apia", date(2011, 12, 31), 24),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone: str, day: date, hours: float) -> None:
    days, number = DAYS[zone], day.toordinal()
    assert (days.end(number) - days.start(number)) / 3600 == hours


def test_an_hour_that_happens_twice_belongs_to_one_day_and_one_that_never_is_to_none() -> None:
    days = DAYS["America/Los_Angeles"]
    back = days.start(date(2021, 11, 7).toordinal())
    assert [days.at(back + 3600 * n).hour for n in range(4)] == [0, 1, 1, 2]
    forward = days.start(date(2021, 3, 14).toordinal())
    assert [days.at(forward + 3600 * n).hour for n in range(4)] == [0, 1, 3, 4]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)))  # noqa: DTZ001
def test_an_instant_survives_the_way_over_seconds(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert instant(aware.timestamp()) == aware


def test_a_long_life_forgets_nothing_that_matters() -> None:
    days = LocalDays("Asia/Kathmandu")
    before = days.at(1e9)
    for step in range(0, 201_000):
        days.at(1.1e9 + 900 * step)
    assert days.at(1e9) == before
    assert days.at(1e9).hour == datetime.fromtimestamp(1e9, UTC).astimezone(ZoneInfo("Asia/Kathmandu")).hour
    assert days.start(before.day) <= 1e9 < days.start(before.day) + timedelta(days=1).total_seconds()

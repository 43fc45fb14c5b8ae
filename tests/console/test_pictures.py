"""The one mechanism for pictures: valid SVG with words, nothing inline, and the very numbers as a table."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.reading.calendar import HeatDay
from console.reading.history import LEAST, weeks_of
from console.reading.risk import Part
from console.web.pictures import (
    Picture,
    contributions_picture,
    expected_picture,
    heat_picture,
    history_picture,
    timeline_picture,
)
from console.web.pictures.base import Scale, steps

HOSTILE = "</title><script>alert(1)</script>\"'&"
AT = datetime(2021, 3, 28, 9, 30, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")  # its clocks change on this very day
WINDOW = (AT - timedelta(days=1), AT + timedelta(days=1))
DAYS = {date(2021, 1, 1) + timedelta(days=number): number % 5 for number in range(200)}
PICTURES = {
    "expected": expected_picture(21, 1.3, (0, 6)),
    "expected alone": expected_picture(3, None, None),
    "nothing seen": expected_picture(0, 4.5, (2, 9)),
    "none allowed": expected_picture(2, 0, (0, 0)),
    "timeline": timeline_picture([(AT, HOSTILE, HOSTILE)], ZONE, WINDOW, [(AT.date(), HOSTILE)]),
    "history": history_picture(weeks_of(DAYS, [date(2021, 4, 4)], date(2021, 7, 1)), of=HOSTILE),
    "two years": history_picture(weeks_of({date(2019, 1, 1): 1}, [], date(2021, 2, 1)), of="x"),
    "no history": history_picture([], of="x"),
    "heat": heat_picture(
        date(2021, 1, 1), date(2021, 12, 31), {day: HeatDay(n, n % 2, n % 3, 0.5) for day, n in DAYS.items()}
    ),
    "empty heat": heat_picture(date(2020, 1, 1), date(2020, 12, 31), {}),
    "risk": contributions_picture([Part(HOSTILE, date(2021, 3, 1), 12.0, 6.0)], 20.0),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES.keys())
class TestEvery:
    def test_says_what_it_shows(self, picture: Picture) -> None:
        root = ElementTree.fromstring(str(picture.svg))
        assert root.get("role") == "img"
        names = root.get("aria-labelledby", "").split()
        told = {one.get("id"): one.text for one in root.iter() if one.get("id")}
        assert [told[name] for name in names] == [picture.title, picture.description]

    def test_has_nothing_inline(self, picture: Picture) -> None:
        root = ElementTree.fromstring(str(picture.svg))
        for one in root.iter():
            assert not {key for key in one.attrib if key == "style" or key.startswith("on")}
            assert one.tag.rpartition("}")[2] in {"svg", "title", "desc", "text", "rect", "circle", "path"}
            assert not {"fill", "stroke"} & set(one.attrib), "colours are classes, for light and dark"

    def test_lies_within_its_frame(self, picture: Picture) -> None:
        root = ElementTree.fromstring(str(picture.svg))
        for one in root.iter():
            for key, most in (("x", picture.width), ("y", picture.height), ("cx", picture.width)):
                if (value := one.get(key)) is not None:
                    assert -0.1 <= float(value) <= most + 0.1
        assert "nan" not in str(picture.svg)

    def test_no_words_are_cut_off_at_the_right(self, picture: Picture) -> None:
        root = ElementTree.fromstring(str(picture.svg))
        for one in root.iter("{http://www.w3.org/2000/svg}text"):
            if not {"end", "middle"} & set((one.get("class") or "").split()):
                assert float(one.get("x", 0)) + 6.5 * len(one.text or "") <= picture.width, one.text

    def test_has_its_numbers_as_a_table(self, picture: Picture) -> None:
        for row in picture.rows:
            assert len([column.value(row) for column in picture.table.columns]) == len(row)


def test_the_table_of_what_was_expected_has_the_numbers_that_are_drawn() -> None:
    assert PICTURES["expected"].rows == [
        ("Seen", 21),
        ("Expected", 1.3),
        ("Usual at least (95 of 100)", 0),
        ("Usual at most (95 of 100)", 6),
    ]


def test_a_rule_is_not_compared_with_normal_use() -> None:
    said = PICTURES["none allowed"].description
    assert said == "2 seen, of what the sentence of the alert counts, where there should be none."
    assert PICTURES["none allowed"].rows == [("Seen", 2), ("Expected", 0)]


def test_a_timeline_is_drawn_in_local_time() -> None:
    circle = re.search(r'cy="([0-9.]+)"', str(PICTURES["timeline"].svg))
    assert circle is not None
    # 09:30 UTC is 11:30 in summer time, just above the middle of the day.
    assert float(circle[1]) == pytest.approx(28 + 150 * 11.5 / 24, abs=0.1)


def test_a_week_is_compared_with_the_weeks_before_it_alone() -> None:
    quiet = {date(2021, 1, 4) + timedelta(weeks=number): 2 for number in range(20)}
    (*before, last) = weeks_of(quiet | {date(2021, 5, 24): 50}, [], date(2021, 5, 24))
    assert [week.usual for week in before[:LEAST]] == [None] * LEAST
    assert (last.searches, last.usual, last.low, last.high) == (50, 2, 2, 2)


def test_a_history_that_is_cut_says_so() -> None:
    assert (
        "1 search in 5 weeks,"
        in history_picture(weeks_of({date(2021, 1, 4): 1}, [], date(2021, 2, 1)), of="x").description
    )
    assert "0 searches in the last 105 weeks," in PICTURES["two years"].description


def test_weeks_without_searches_count_as_none() -> None:
    weeks = weeks_of({date(2021, 1, 4): 3}, [], date(2021, 2, 1))
    assert [week.searches for week in weeks] == [3, 0, 0, 0, 0]


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_marks_lie_on_the_axis(one: float, other: float) -> None:
    low, high = sorted((one, other))
    marks = steps(low, high)
    span = max(high - low, 1e-9)
    assert len(marks) <= 14
    assert all(low - 1e-6 * span - 1e-9 <= mark <= high + 1e-6 * span + 1e-9 for mark in marks)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e6), st.floats(1e-3, 1e6))
def test_a_scale_never_leaves_its_ends(value: float, low: float, span: float) -> None:
    assert 10 <= Scale(low, low + span, 10, 20)(value) <= 20

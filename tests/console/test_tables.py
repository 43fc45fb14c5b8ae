"""The one mechanism for tables: what an address asks for, what a list and a database answer, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.storage.engine import Store
from console.storage.tables import RefusalRow
from console.web.tables import (
    FORMULA,
    LAST_PAGE,
    Column,
    Listed,
    Selected,
    Source,
    Table,
    csv_lines,
    safe_cell,
    view,
)

BEGIN = datetime(2021, 3, 1, tzinfo=UTC)
TABLE: Table[RefusalRow] = Table(
    name="t",
    caption="Things",
    sort="offset",
    size=7,
    columns=(
        Column(
            name="topic", title="Topic", value=lambda row: row.topic, sql=RefusalRow.topic, filter="contains"
        ),
        Column(
            name="offset",
            title="Offset",
            kind="number",
            value=lambda row: row.offset,
            sql=RefusalRow.offset,
            filter="least",
        ),
        Column(
            name="reason", title="Why", value=lambda row: row.reason, sql=RefusalRow.reason, filter="exact"
        ),
        Column(
            name="at", title="When", kind="time", value=lambda row: row.at, sql=RefusalRow.at, filter="days"
        ),
    ),
)
NASTY = "100%_'; drop table refusals; --"


def rows() -> list[RefusalRow]:
    return [
        RefusalRow(
            topic=("alerts", "Searches", NASTY)[place % 3],
            partition=0,
            offset=place,
            at=BEGIN + timedelta(hours=13 * place),
            reason=f"r{place % 4}",
            payload=b"",
        )
        for place in range(40)
    ]


@pytest.fixture(params=["list", "database"])
def source(request: pytest.FixtureRequest, store: Store) -> Iterator[Source[RefusalRow]]:
    """The same rows in memory and in the store: both must answer alike."""
    if request.param == "list":
        yield Listed(rows())
        return
    with store.writing() as session:
        session.add_all(rows())
    with store.reading() as session:
        yield Selected(session, select(RefusalRow), RefusalRow.offset)


def asked(source: Source[RefusalRow], **params: str) -> list[int]:
    named = {f"t.{key.replace('__', '.')}": value for key, value in params.items()}
    return [row.offset for row in view(TABLE, source, "/x", named).rows]


def test_it_is_sorted_either_way(source: Source[RefusalRow]) -> None:
    assert asked(source) == list(range(7))
    assert asked(source, sort="-offset") == list(range(39, 32, -1))
    assert asked(source, sort="reason") == [0, 4, 8, 12, 16, 20, 24]
    assert asked(source, sort="-reason") == [39, 35, 31, 27, 23, 19, 15]


def test_pages_hold_every_row_once(source: Source[RefusalRow]) -> None:
    found = [offset for page in range(1, 7) for offset in asked(source, sort="-reason", page=str(page))]
    assert sorted(found) == list(range(40))


def test_beyond_the_last_page_is_the_first(source: Source[RefusalRow]) -> None:
    assert asked(source, page="100") == list(range(7))


def test_filters_hold_together(source: Source[RefusalRow]) -> None:
    assert asked(source, topic="sEARCH") == [1, 4, 7, 10, 13, 16, 19]
    assert asked(source, topic="search", reason="r1") == [1, 13, 25, 37]
    assert asked(source, offset="36") == [36, 37, 38, 39]
    assert asked(source, at__from="2021-03-02", at__to="2021-03-02") == [2, 3]
    assert asked(source, reason="r9") == []


@pytest.mark.parametrize("text", ["%", "_", "'", "100%_'; drop", "\\", '"', "r1' or '1'='1"])
def test_what_means_something_to_a_database_is_plain_text_here(source: Source[RefusalRow], text: str) -> None:
    nasty = [offset for offset in range(40) if offset % 3 == 2]
    assert asked(source, topic=text) == (nasty[:7] if text in NASTY else [])
    assert asked(source, reason=text) == []


@pytest.mark.parametrize(
    "params",
    [
        {"t.sort": "nothing"},
        {"t.sort": "--offset"},
        {"t.page": "-1"},
        {"t.page": "1e3"},
        {"t.page": "²"},
        {"t.page": "9" * 400},
        {"t.offset": "many"},
        {"t.offset": "nan"},
        {"t.offset": "inf"},
        {"t.at.from": "yesterday"},
        {"t.at.to": "9999-12-31"},
        {"t.unknown": "x"},
        {"t.topic": "\0"},
        {"t.topic": "  "},
    ],
)
def test_what_cannot_be_understood_is_passed_over(source: Source[RefusalRow], params: dict[str, str]) -> None:
    assert [row.offset for row in view(TABLE, source, "/x", params).rows] == list(range(7))


def test_links_change_one_thing_and_keep_the_others() -> None:
    params = {"t.reason": "r1", "t.page": "1", "other.sort": "-x", "name": "a&b=c"}
    shown = view(TABLE, Listed(rows()), "/x", params)
    reason = TABLE.columns[2]
    assert dict(parse_qsl(urlsplit(shown.sorted_by(reason)).query)) == {
        "t.reason": "r1", "t.sort": "reason", "other.sort": "-x", "name": "a&b=c",
    }  # fmt: skip
    assert dict(parse_qsl(urlsplit(shown.export()).query)) == {
        "t.reason": "r1", "other.sort": "-x", "name": "a&b=c", "export": "t",
    }  # fmt: skip
    assert dict(parse_qsl(urlsplit(shown.unfiltered()).query)) == {"other.sort": "-x", "name": "a&b=c"}
    assert dict(shown.kept()) == {"other.sort": "-x", "name": "a&b=c"}


def test_a_click_on_the_head_turns_the_order_and_says_so() -> None:
    offset = TABLE.columns[1]
    up = view(TABLE, Listed(rows()), "/x", {})
    assert up.direction(offset) == "ascending"
    down = view(TABLE, Listed(rows()), "/x", dict(parse_qsl(urlsplit(up.sorted_by(offset)).query)))
    assert down.direction(offset) == "descending"
    assert down.direction(TABLE.columns[0]) is None


def test_a_page_number_has_an_end() -> None:
    assert TABLE.wanted({"t.page": str(LAST_PAGE + 5)}).page == LAST_PAGE


def test_what_is_not_known_comes_last_either_way() -> None:
    numbers: Table[int | None] = Table(
        name="n", caption="", columns=(Column(name="v", title="v", value=lambda one: one),)
    )
    for sort, expected in (("v", [1, 2, None]), ("-v", [2, 1, None])):
        assert list(view(numbers, Listed([2, None, 1]), "/", {"n.sort": sort}).rows) == expected


def test_csv_has_every_row_that_the_filter_leaves(source: Source[RefusalRow]) -> None:
    lines = "".join(csv_lines(TABLE, source, {"t.reason": "r1", "t.sort": "-offset", "t.page": "2"}))
    read = list(csv.reader(io.StringIO(lines)))
    assert read[0] == ["Topic", "Offset", "Why", "When"]
    assert [row[1] for row in read[1:]] == [str(offset) for offset in range(37, 0, -4)]
    assert read[-1][3] == "2021-03-01T13:00:00Z"


@given(st.text())
def test_no_text_becomes_a_formula(text: str) -> None:
    cell = safe_cell(text)
    assert not cell.lstrip(" \xa0").startswith(FORMULA)
    assert cell.removeprefix("'") == text.replace("\0", "") or cell == text.replace("\0", "")


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "  =1", "\r=1"])
def test_formulas_are_disarmed_in_a_file(text: str) -> None:
    table: Table[str] = Table(
        name="n", caption="", columns=(Column(name="v", title="=v", value=lambda one: one),)
    )
    read = list(csv.reader(io.StringIO("".join(csv_lines(table, Listed([text]), {})), newline="")))
    assert read == [["'=v"], [f"'{text}"]]


def test_numbers_and_days_stay_what_they_are() -> None:
    assert [safe_cell(one) for one in (-3, -2.5, 1e-12, date(2021, 3, 1), None)] == [
        "-3", "-2.5", "1e-12", "2021-03-01", "",
    ]  # fmt: skip


def test_a_query_is_never_made_of_words(store: Store) -> None:
    """What the reader typed reaches the database as a parameter: the statement is the same for all words."""
    with store.reading() as session:
        said = {_statement(session, words) for words in ("x", NASTY, "'", "%")}
    assert len(said) == 1


def _statement(session: Session, words: str) -> str:
    told: list[str] = []
    original = session.scalars

    def listen(query: object, *args: object, **kwargs: object) -> object:
        told.append(str(query))
        return original(query, *args, **kwargs)  # type: ignore[call-overload]

    session.scalars = listen  # type: ignore[method-assign, assignment]
    try:
        view(TABLE, Selected(session, select(RefusalRow), RefusalRow.offset), "/", {"t.topic": words})
    finally:
        session.scalars = original  # type: ignore[method-assign]
    return told[0]

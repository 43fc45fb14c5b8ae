"""The public report: what it counts, what it withholds, and that its files say so to everybody alike."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.report.counting import Period, agencies
from console.report.figures import Figure, Report, make_report
from console.report.kinds import large
from console.report.pdf import pdf
from console.report.static import html
from console.report.tables import tidy
from console.storage.engine import Store
from models.policy import Pack, Register
from models.reference import Agency, Reference
from models.suppression import Cell, Tables, cell
from models.tools import Tool, ToolRegister
from tests.attacker import Attacker
from tests.console.conftest import NewStore
from tests.console.march import MARCH, add_alerts, add_searches

#: What somebody typed into fields that are free: a person's name, a formula, markup.
TYPED = ("Jane Doe", "=1+1", "<script>alert(1)</script>")
REFERENCE = Reference(
    agencies={"pd": Agency(agency_id="pd", name="Police – Łódź", timezone="America/Los_Angeles")},
    tools=ToolRegister([Tool(tool="county", name="County system", aliases=("CNTY-1",))]),
    policy=Register([Pack(name="p", title="", jurisdiction="", purposes={"burglary": "", "robbery": ""})]),
)


def report_of(store: Store, period: Period = MARCH, least: int = 5) -> Report:
    with store.reading() as session:
        return make_report(session, REFERENCE, ["high_count", "share"], "pd", period, least=least)


def figure(report: Report, name: str) -> Figure:
    return next(one for one in report.figures if one.name == name)


def counts(report: Report, name: str) -> Mapping[str, int | None]:
    """Those of a table of one dimension."""
    return {words: numbers[0] for words, numbers in figure(report, name).body}


def filled(store: Store) -> Store:
    """Two units of some size, a small one, and everything that can be typed."""
    add_searches(store, 40, lead_issued=True, corroborated=True, arrest_made=False)
    add_searches(
        store, 30, unit_id="robbery", purpose="robbery", image_source="social_media", arrest_made=True
    )
    add_searches(store, 2, tool="CNTY 1", purpose="robbery")
    for typed in TYPED:
        add_searches(store, 2, unit_id=typed, purpose=typed, tool=typed)
    add_alerts(store, 12, waited=3)
    add_alerts(store, 9, waited=60, work_state="closed", disposition="explained")
    add_alerts(store, 2, work_state="closed", disposition="confirmed", severity="critical", waited=200)
    add_alerts(store, 7, status="withdrawn", detector=TYPED[0])
    return store


def test_searches_are_counted_on_the_agencys_local_days(store: Store) -> None:
    """The clocks go forward in the night to 14 March, so the last day ends at 07:00 UTC."""
    add_searches(store, 6, MARCH.begin - timedelta(seconds=1))
    add_searches(store, 7, MARCH.begin)
    add_searches(store, 8, datetime(2021, 4, 1, 6, 59, 59, tzinfo=UTC))
    add_searches(store, 9, datetime(2021, 4, 1, 7, tzinfo=UTC))
    assert counts(report_of(store), "searches-purpose")["all"] == 15


def test_other_agencies_do_not_count(either: Store) -> None:
    add_searches(either, 6)
    add_searches(either, 7, agency_id="other")
    add_alerts(either, 8, waited=2)
    report = report_of(either)
    assert counts(report, "searches-purpose")["all"] == 6
    assert counts(report, "alerts-acknowledged")["within a day"] == 8
    with either.reading() as session:
        assert agencies(session) == ["other", "pd"]


def test_tools_are_counted_under_every_spelling_and_others_without_their_words(store: Store) -> None:
    found = counts(report_of(filled(store)), "searches-tool")
    assert found == {"County system": 72, "a tool that the register does not know": 6, "all": 78}


def test_what_came_of_alerts_is_counted(store: Store) -> None:
    add_alerts(filled(store), 8, status="provisional")
    whole = report_of(store, least=1)  # nothing is small
    assert counts(whole, "alerts-outcome") == {
        "confirmed": 2, "explained": 9, "false alarm": 0, "needs a change of policy": 0,
        "not decided yet": 12, "taken back by the program": 7, "all": 30,
    }  # fmt: skip
    assert counts(whole, "alerts-detector") == {
        "high_count": 23, "share": 0, "a detector that is no longer configured": 7, "all": 30,
    }  # fmt: skip
    assert counts(whole, "alerts-acknowledged") == {
        "within a day": 12, "within 7 days": 9, "later": 2, "not acknowledged": 7, "all": 30,
    }  # fmt: skip
    report = report_of(store)
    assert (
        counts(report, "alerts-outcome")["confirmed"]
        is counts(report, "alerts-acknowledged")["later"]
        is None
    )
    assert counts(report, "alerts-outcome")["all"] == 30


def test_a_small_unit_is_not_told_by_name(store: Store) -> None:
    add_searches(store, 40)
    add_searches(store, 30, unit_id="robbery")
    for place in range(6):
        add_searches(store, 2, unit_id=f"desk-{place % 2}", requester_id=f"q{place}")
    found = counts(report_of(store), "searches-unit")
    assert found == {"patrol": 40, "robbery": 30, "other units, together": 12, "all": 82}


def test_others_of_too_few_requesters_are_joined_by_the_next_smallest(store: Store) -> None:
    add_searches(store, 40)
    add_searches(store, 30, unit_id="robbery")
    add_searches(store, 20, unit_id="desk", requester_id="q1")
    found = counts(report_of(store), "searches-unit")
    assert found == {"patrol": 40, "other units, together": 50, "all": 90}


def test_a_unit_of_one_busy_requester_is_small(store: Store) -> None:
    add_searches(store, 50)
    add_searches(store, 50, unit_id="special", requester_id="r1")
    found = counts(report_of(store), "searches-unit")
    assert found == {"all units together": 100, "all": 100}


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("0123456789"), min_size=1)),
    st.integers(1, 6),
)
def test_units_that_are_not_told_by_name_are_many_requesters_together(
    members: dict[str, set[str]], least: int
) -> None:
    named = large(members, least)
    others: set[str] = set().union(*(members[unit] for unit in members if unit not in named))
    assert all(len(members[unit]) >= least for unit in named)
    assert not named or not others or len(others) >= least


def test_no_published_count_is_small(store: Store) -> None:
    report = report_of(filled(store))
    numbers = [one.number for one in report.counts]
    assert None in numbers
    assert not any(number is not None and 0 < number < 5 for number in numbers)
    shown = [count for one in report.figures for _, cells in one.body for count in cells]
    assert not any(count is not None and 0 < count < 5 for count in shown)


def test_a_row_whose_sum_is_withheld_is_not_left_out(store: Store) -> None:
    add_searches(store, 40)
    add_searches(store, 3, image_source="sketch")
    body = dict(figure(report_of(store), "searches-image-source-purpose").body)
    assert "sketch" in body and "cctv" in body and "celebrity" not in body


def test_a_report_of_nothing_counts_0(store: Store) -> None:
    report = report_of(store)
    assert {one.number for one in report.counts} == {0}
    assert html([report]) and pdf([report])


def test_two_runs_give_the_same_bytes(store: Store) -> None:
    filled(store)
    made = [[write([report_of(store)]) for write in (html, pdf, tidy)] for _ in range(2)]
    assert made[0] == made[1]


def test_no_file_holds_what_somebody_typed(store: Store) -> None:
    report = report_of(filled(store))
    whole = html([report]) + tidy([report]) + repr(report)
    for typed in (*TYPED, "requester-77", "r0"):
        assert not re.search(rf"(?<![\w-]){re.escape(typed)}(?![\w-])", whole), typed


def test_the_csv_has_each_count_once_and_no_formula(store: Store) -> None:
    add_searches(store, 9, unit_id="=cmd|' /C calc'!A0")
    add_searches(store, 9)
    rows = list(csv.DictReader(io.StringIO(tidy([report_of(store)]))))
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    keys = [tuple(value for name, value in row.items() if name not in ("count", "status")) for row in rows]
    assert len(keys) == len(set(keys))
    assert {row["status"] for row in rows if row["count"]} == {"published"}
    [formula] = [row for row in rows if row["category_1"].startswith("'=cmd") and not row["dimension_2"]]
    assert formula["count"] == "9"


def read(lines: str, of: str) -> tuple[Tables, frozenset[Cell]]:
    """What a reader knows from the CSV alone: the published counts, and the places of the others."""
    categories: dict[str, dict[str, None]] = {}
    crossings: dict[tuple[str, ...], None] = {}
    published: dict[Cell, int] = {}
    hidden = set()
    for row in csv.DictReader(io.StringIO(lines)):
        if row["of"] != of:
            continue
        pairs = [(row[f"dimension_{n}"], row[f"category_{n}"]) for n in (1, 2) if row[f"dimension_{n}"]]
        place = cell(**dict(pairs))
        for dimension, category in pairs:
            categories.setdefault(dimension, {})[category] = None
        crossings[tuple(dimension for dimension, _ in pairs)] = None
        if row["status"] == "published":
            published[place] = int(row["count"])
        else:
            hidden.add(place)
    lists = {dimension: list(words) for dimension, words in categories.items()}
    return Tables(lists, [one for one in crossings if one], published), frozenset(hidden)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1))
def test_nobody_works_out_a_small_count_from_the_csv(new_store: NewStore, seed: int) -> None:
    chance = Random(seed)
    store = new_store()
    for _ in range(chance.randrange(8, 30)):
        unit = chance.choice(["patrol", "robbery", "desk", TYPED[0]])
        add_searches(
            store,
            chance.choice([1, 1, 2, 3, 6, 20]),
            unit_id=unit,
            purpose=chance.choice(["burglary", "robbery", TYPED[1]]),
            tool=chance.choice(["county", TYPED[2]]),
            image_source=chance.choice(["cctv", "booking", "sketch"]),
            arrest_made=chance.choice([True, False, None]),
            corroborated=chance.choice([True, None]),
        )
        severity, state = chance.choice(["low", "high"]), chance.choice(["new", "closed"])
        add_alerts(
            store,
            chance.choice([1, 2, 9]),
            waited=chance.choice([None, 3, 300]),
            severity=severity,
            work_state=state,
            disposition=chance.choice(["confirmed", "explained"]) if state == "closed" else None,
        )
    truth, told = (tidy([report_of(store, least=least)]) for least in (1, 5))
    for of in ("searches", "alerts"):
        tables, hidden = read(told, of)
        real = read(truth, of)[0].counts
        # A unit is told by name only from five requesters on.
        units = [one for one in tables.categories.get("Unit", ()) if not one.endswith("together")]
        attacker = Attacker(tables, hidden, {cell(Unit=one): 5 for one in units})
        for place in hidden:
            low, high = attacker.range(place)
            assert high - low >= 4, place
            if 0 < real.get(place, 0) < 5:
                assert low <= 1 and high >= 5, place


def test_the_html_is_one_file_without_scripts_whose_tables_speak(store: Store) -> None:
    report = report_of(filled(store))
    text = html([report])
    assert "<script" not in text and "<link" not in text
    assert not re.search(r"""(src|href)="(?!#)|url\(|@import""", text)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) | set(
        re.findall(r'aria-labelledby="([^" ]+)"', text)
    ) <= set(ids)
    tables = [ElementTree.fromstring(one) for one in re.findall(r"<table>.*?</table>", text, re.DOTALL)]
    assert len(tables) == len(report.figures)
    for table in tables:
        assert (table.findtext("caption") or "").strip()
        assert {one.get("scope") for one in table.iterfind("thead/tr/th")} == {"col"}
        assert all(row[0].tag == "th" and row[0].get("scope") == "row" for row in table.iterfind("tbody/tr"))
    for one in report.figures:
        assert {sentence.split(":")[0] for sentence in one.about[:3]} == {"Source", "Period", "Left out"}


def test_the_pdf_has_title_language_and_bookmarks_and_says_what_it_cannot_show(store: Store) -> None:
    report = report_of(filled(store))
    made = pdf([report])
    assert b"/Title" in made and b"/Lang (en)" in made and b"/DisplayDocTitle true" in made
    assert made.count(b"/Dest [") >= len(report.figures) + 1
    english = Report(**{**vars(report), "agency": "Police"})
    assert len(pdf([english])) < len(made)  # nothing has to be said there


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        Period(date(2021, 3, 2), date(2021, 3, 1), "UTC")

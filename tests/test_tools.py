"""The register of tools: spellings, and approvals that begin and end at local midnight."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tools import Approval, Tool, ToolRegister, plain

LOS_ANGELES = "America/Los_Angeles"
CLEARVIEW = Tool(tool="clearview-ai", name="Clearview AI", aliases=("Clearview",))


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


@pytest.mark.parametrize(
    "spelling",
    [
        "Clearview AI",
        "clear-view  ai",
        "CLEARVIEWAI",
        "Clearview_AI.",
        "Ｃｌｅａｒｖｉｅｗ ＡＩ",
        "clearview",
        "clearview-ai",
    ],  # noqa: RUF001
)
def test_spellings_of_one_tool_are_one_tool(spelling: str) -> None:
    register = ToolRegister([CLEARVIEW])
    assert register.canonical(spelling) == "clearview-ai"
    assert register.known(spelling)


def test_an_unknown_tool_keeps_its_plain_name() -> None:
    register = ToolRegister([CLEARVIEW])
    assert (
        register.canonical("Face-Finder 2000") == register.canonical("FACE FINDER 2000") == "facefinder2000"
    )
    assert not register.known("Face-Finder 2000")
    assert register.canonical("???") == "???"


@given(st.text(min_size=1, max_size=30))
def test_a_plain_name_is_final(name: str) -> None:
    assert plain(plain(name)) == plain(name)
    assert plain(f" {name}- ") == plain(name) or not any(letter.isalnum() for letter in plain(name))


def test_an_empty_register_knows_and_judges_nothing() -> None:
    register = ToolRegister()
    assert not register.known("LACRIS")
    assert not register.judges("lapd")
    assert not register.approved("LACRIS", "lapd", 0.0)


def test_approval_changes_at_the_second_of_local_midnight() -> None:
    approval = Approval(agency_id="lapd", valid_from=day("2020-03-08"), valid_to=day("2020-11-01"))
    register = ToolRegister([Tool(tool="lacris", approvals=(approval,))], {"lapd": LOS_ANGELES})
    zone = ZoneInfo(LOS_ANGELES)
    # Both days are those on which the clocks change.
    first = datetime(2020, 3, 8, tzinfo=zone).timestamp()
    last = datetime(2020, 11, 1, tzinfo=zone).timestamp()
    answers = [register.approved("LACRIS", "lapd", at) for at in (first - 1, first, last - 1, last)]
    assert answers == [False, True, True, False]
    assert register.boundaries("lapd") == {day("2020-03-08"), day("2020-11-01")}


def test_the_zone_is_the_agencys_else_the_common_one_else_utc() -> None:
    approvals = (Approval(agency_id="*", valid_from=day("2020-06-01")),)
    tools = [Tool(tool="t", approvals=approvals)]
    midnight = datetime(2020, 6, 1, tzinfo=ZoneInfo(LOS_ANGELES)).timestamp()
    assert not ToolRegister(tools, {"lapd": LOS_ANGELES}).approved("t", "lapd", midnight - 1)
    assert ToolRegister(tools, {"lapd": LOS_ANGELES}).approved("t", "other", midnight - 1)
    assert not ToolRegister(tools, {"*": LOS_ANGELES}).approved("t", "other", midnight - 1)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "*"]), st.integers(1, 30), st.integers(1, 10)), max_size=6)
)
def test_approvals_equal_a_scan_of_the_days(spans: list[tuple[str, int, int]]) -> None:
    approvals = tuple(
        Approval(agency_id=agency, valid_from=begin, valid_to=begin + length)
        for agency, begin, length in spans
    )
    register = ToolRegister([Tool(tool="t", approvals=approvals), Tool(tool="other")])
    for agency in ("a", "b", "c"):
        assert register.judges(agency) == any(holder in (agency, "*") for holder, _, _ in spans)
        for at in range(45):
            expected = any(
                holder in (agency, "*") and begin <= at < begin + length for holder, begin, length in spans
            )
            assert register.approved_on("T", agency, at) == expected
            assert not register.approved_on("other", agency, at)
            if at - 1 >= 0 and at not in register.boundaries(agency):
                assert register.approved_on("T", agency, at) == register.approved_on("T", agency, at - 1)


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match="both spelled 'facefinder'"):
        ToolRegister([Tool(tool="one", aliases=("Face Finder",)), Tool(tool="two", aliases=("face-finder",))])
    with pytest.raises(ValueError, match="two tools are called one"):
        ToolRegister([Tool(tool="one"), Tool(tool="one")])
    backwards = Approval(agency_id="*", valid_from=5, valid_to=5)
    with pytest.raises(ValueError, match="ends on or before"):
        ToolRegister([Tool(tool="one", approvals=(backwards,))])


def test_a_log_that_never_repeats_a_name_does_not_fill_the_memory() -> None:
    register = ToolRegister([CLEARVIEW])
    for number in range(25_000):
        register.canonical(f"tool {number}")
    assert len(register._seen) <= 10_000
    assert register.canonical("Clearview AI") == "clearview-ai"


def test_days_are_local_all_year_round() -> None:
    begin = day("2020-01-01")
    register = ToolRegister(
        [Tool(tool="t", approvals=(Approval(agency_id="lapd", valid_from=begin + 200),))],
        {"lapd": LOS_ANGELES},
    )
    noon = datetime(2020, 1, 1, 12, tzinfo=ZoneInfo(LOS_ANGELES))
    approved = [register.approved("t", "lapd", (noon + timedelta(days=n)).timestamp()) for n in range(366)]
    assert approved.index(True) == 200 and all(approved[200:])

"""The register of clauses: judged at event time, by the local day, memo or no memo."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import policy
from models.days import LocalDays
from models.policy import AgencyPolicy, Clause, Pack, PolicyError, Register
from models.reference import Reference
from models.search import Search
from models.tools import Approval, Tool, ToolRegister
from streams.configuration import Configuration, load
from streams.configuration.examples import example_search, failures

CONFIG = Path(__file__).resolve().parents[1] / "config"
LOS_ANGELES = ZoneInfo("America/Los_Angeles")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    folder = tmp_path_factory.mktemp("config")
    (folder / "detectors.yaml").write_text("detectors: {}\n")
    return load(folder, CONFIG, {})


@pytest.fixture(scope="module")
def reference(shipped: Configuration) -> Reference:
    return shipped.reference


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def a_search(at: datetime, **fields: Any) -> Search:
    plain: dict[str, Any] = {
        "event_id": "e1",
        "event_time": at.astimezone(UTC),
        "source_id": "s1",
        "requester_id": "r1",
        "agency_id": "lapd",
        "unit_id": "u1",
        "tool": "LACRIS",
        "gallery": "mugshots",
        "purpose": "criminal_investigation",
        "image_source": "cctv",
        "case_number": "20-1",
    }
    return Search(**(plain | fields))


def bind(reference: Reference, agency_id: str) -> AgencyPolicy:
    agency = reference.agency(agency_id)
    return reference.policy.bind(agency_id, agency.policies, agency.timezone, reference.tools)


def broken(bound: AgencyPolicy, search: Search) -> list[str]:
    return [clause.id for clause in bound.violations(search, search.event_time.timestamp())]


def clause(name: str, condition: str, begin: str, end: str | None = None) -> Clause:
    return Clause(
        id=name,
        title=name,
        text=name,
        source="test",
        url="https://example.org",
        valid_from=day(begin),
        valid_to=day(end) if end else None,
        condition=condition,
        severity="low",
    )


@pytest.mark.parametrize("tool", ["Clearview AI", "clear-view ai", "CLEARVIEWAI", "Nobody Ever Heard Of It"])
@pytest.mark.parametrize(
    ("at", "breach"),
    [
        (datetime(2020, 3, 1, 10, tzinfo=LOS_ANGELES), False),
        (datetime(2020, 11, 12, 23, 59, 59, tzinfo=LOS_ANGELES), False),
        (datetime(2020, 11, 13, 0, 0, 0, tzinfo=LOS_ANGELES), True),
        (datetime(2020, 12, 1, 10, tzinfo=LOS_ANGELES), True),
        (datetime(2026, 1, 1, tzinfo=LOS_ANGELES), True),
    ],
)
def test_a_third_party_tool_breaks_the_ban_from_its_first_second_on(
    reference: Reference, tool: str, at: datetime, breach: bool
) -> None:
    found = broken(bind(reference, "lapd"), a_search(at, tool=tool))
    assert ("la-2020-approved-tools" in found) is breach
    assert broken(bind(reference, "lapd"), a_search(at)) == []


def test_a_search_with_nothing_but_the_required_fields_is_only_blamed_for_what_must_be_recorded(
    reference: Reference,
) -> None:
    bare = a_search(datetime(2024, 9, 1, tzinfo=UTC), case_number=None)
    assert broken(bind(reference, "lapd"), bare) == ["la-2021-case-number"]
    assert broken(bind(reference, "detroit-pd"), bare) == ["detroit-2019-crime-named"]
    assert broken(bind(reference, "wa-example-pd"), bare) == []
    assert broken(bind(reference, "an-agency-without-an-entry"), bare) == []


def test_every_shipped_clause_fires_on_its_breach_and_is_silent_on_its_lawful_example(
    shipped: Configuration,
) -> None:
    assert list(failures(shipped)) == []
    clauses = [one for pack in shipped.reference.policy.packs.values() for one in pack.clauses]
    assert len(clauses) >= 20
    assert all(one.examples is not None for one in clauses)
    bound = {name for agency in shipped.reference.agencies.values() for name in agency.policies}
    assert bound == set(shipped.reference.policy.packs), "an unbound pack's examples were not run"


def test_no_shipped_clause_fires_on_the_day_before_it_is_in_force(reference: Reference) -> None:
    for agency in reference.agencies.values():
        days = LocalDays(agency.timezone)
        for one in reference.policy.clauses(agency.policies):
            assert one.examples is not None
            search = example_search(one, agency, one.examples.breach)
            bound = bind(reference, agency.agency_id)
            begins = days.start(one.valid_from)
            assert one not in bound.violations(search, begins - 1)
            assert one in bound.violations(search, begins)


def test_shipped_clauses_cite_a_public_page_and_guess_their_pack(reference: Reference) -> None:
    prefixes = {"los-angeles-2021": "la-", "detroit": "detroit-", "washington-state": "wa-"}
    for name, pack in reference.policy.packs.items():
        for one in pack.clauses:
            assert one.id.startswith(prefixes[name])
            assert str(date.fromordinal(one.valid_from).year) == one.id.split("-")[1]
            assert one.url.startswith("https://") and one.source and one.text


SEARCHES = st.builds(
    a_search,
    st.builds(
        lambda begin, second: begin + timedelta(seconds=second),
        st.sampled_from([datetime(2019, 9, 15, tzinfo=UTC), datetime(2020, 11, 13, 8, tzinfo=UTC)]),
        st.integers(-2, 2) | st.integers(0, 660 * 86400),
    ),
    tool=st.sampled_from(["LACRIS", "lacris dms", "Clearview AI", "unheard of"]),
    purpose=st.sampled_from(["criminal_investigation", "immigration", "violent_crime", "x"]),
    image_source=st.sampled_from(["cctv", "body_worn", "live_stream", "sketch"]),
    case_number=st.sampled_from([None, "", "  ", "20-1", "20-2"]),
    training_expires_on=st.sampled_from([None, "2020-11-12", "2020-11-13", "2021-01-01"]),
    requesting_agency=st.sampled_from([None, " ", "lapd", "other-pd"]),
    access_channel=st.sampled_from([None, "Mobile", "desktop"]),
    exigent=st.sampled_from([None, True, False]),
    warrant_ref=st.sampled_from([None, "w1"]),
    arrest_made=st.sampled_from([None, True, False]),
    corroborated=st.sampled_from([None, True, False]),
    lead_issued=st.sampled_from([None, True]),
    second_reviewer_id=st.sampled_from([None, "r2"]),
    offence_code=st.sampled_from([None, "robbery"]),
    top_score=st.sampled_from([None, 0.0, 0.4, 0.9]),
    reason_text=st.sampled_from([None, "", "a protest", "robbery"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(SEARCHES, min_size=1, max_size=40), memory=st.sampled_from([1, 3, 10_000]))
def test_remembered_judgements_equal_fresh_ones(
    reference: Reference, monkeypatch: pytest.MonkeyPatch, found: list[Search], memory: int
) -> None:
    """Every pack at once, with conditions of every kind, approvals that come and go, any order."""
    monkeypatch.setattr(policy, "MEMORY", memory)
    odd = Pack(
        name="odd",
        title="",
        jurisdiction="",
        clauses=(
            clause("o1", "top_score > 0.5 or missing(top_score)", "2020-01-01", "2020-12-01"),
            clause("o2", "contains(reason_text, 'protest') and not trained()", "2020-01-01"),
            clause("o3", "not missing(reason_text) and requesting_agency != agency_id", "2020-11-13"),
            clause("o4", "missing(exigent) or not approved_tool()", "2019-01-01"),
            clause("o5", "missing(incident_time) and not missing(event_time)", "2021-01-01"),
        ),
    )
    register = Register([*reference.policy.packs.values(), odd])
    tools = ToolRegister(
        [
            Tool(
                tool="lacris",
                aliases=("LACRIS DMS",),
                approvals=(
                    Approval(agency_id="lapd", valid_from=day("2019-10-01"), valid_to=day("2020-11-13")),
                    Approval(agency_id="*", valid_from=day("2021-02-01")),
                ),
            )
        ]
    )
    names = list(register.packs)
    remembering = register.bind("lapd", names, "America/Los_Angeles", tools)
    for search in found:
        at = search.event_time.timestamp()
        fresh = register.bind("lapd", names, "America/Los_Angeles", tools)
        today = LocalDays("America/Los_Angeles").at(at).day
        expected = fresh.violations(search, at)
        assert remembering.violations(search, at) == expected
        assert set(expected) <= set(register.in_force(names, today))
    assert all(len(memo) <= memory for memo in remembering._memories.values())


def test_an_approval_that_ends_between_two_clauses_counts_from_that_day() -> None:
    register = Register(
        [
            Pack(
                name="p",
                title="",
                jurisdiction="",
                clauses=(clause("c", "not approved_tool()", "2020-01-01"),),
            )
        ]
    )
    span = Approval(agency_id="lapd", valid_from=day("2020-03-01"), valid_to=day("2020-03-10"))
    tools = ToolRegister([Tool(tool="lacris", approvals=(span,))])
    bound = register.bind("lapd", ["p"], "UTC", tools)
    days = ["2020-02-29", "2020-03-01", "2020-03-09", "2020-03-10", "2020-03-05"]
    at = [datetime.fromisoformat(text).replace(hour=23, tzinfo=UTC) for text in days]
    assert [bool(broken(bound, a_search(when))) for when in at] == [True, False, False, True, False]


def test_a_clause_holds_from_its_first_day_up_to_its_last(reference: Reference) -> None:
    ended = clause("c", "missing(offence_code)", "2020-03-08", "2020-11-01")
    register = Register([Pack(name="p", title="", jurisdiction="", clauses=(ended,))])
    bound = register.bind("lapd", ["p"], "America/Los_Angeles", reference.tools)
    begin, end = (datetime(2020, *month_day, tzinfo=LOS_ANGELES) for month_day in ((3, 8), (11, 1)))
    second = timedelta(seconds=1)
    moments = (begin.astimezone(UTC) - second, begin, end.astimezone(UTC) - second, end)
    assert [broken(bound, a_search(at)) for at in moments] == [[], ["c"], ["c"], []]
    days = [day("2020-03-07"), day("2020-03-08"), day("2020-10-31"), day("2020-11-01")]
    assert [register.in_force(["p"], one) for one in days] == [(), (ended,), (ended,), ()]


def test_without_any_approval_no_tool_is_unapproved() -> None:
    pack = Pack(
        name="p", title="", jurisdiction="", clauses=(clause("c", "not approved_tool()", "2020-01-01"),)
    )
    bound = Register([pack]).bind("lapd", ["p"], "UTC", ToolRegister([Tool(tool="lacris")]))
    assert broken(bound, a_search(datetime(2021, 1, 1, tzinfo=UTC), tool="anything")) == []


def test_a_certificate_holds_through_its_last_local_day(reference: Reference) -> None:
    bound = bind(reference, "lapd")
    last = datetime(2020, 12, 31, 23, 59, 59, tzinfo=LOS_ANGELES)
    for at, expected in ((last, []), (last + timedelta(seconds=1), ["la-2020-trained-staff"])):
        assert broken(bound, a_search(at, training_expires_on="2020-12-31")) == expected


def test_an_unknown_pack_is_refused_and_the_known_ones_are_named(reference: Reference) -> None:
    with pytest.raises(PolicyError, match="no policy pack detriot, did you mean detroit?"):
        reference.policy.bind("x", ["detriot"], "UTC", ToolRegister())
    with pytest.raises(PolicyError, match="known are detroit, los-angeles-2021, washington-state"):
        reference.policy.in_force(["nowhere"], 1)


def test_contradictory_packs_are_refused() -> None:
    one = clause("c", "exigent", "2020-01-01")
    twice = Pack(name="p", title="", jurisdiction="", clauses=(one, one))
    with pytest.raises(PolicyError, match="two clauses have the id c"):
        Register([twice])
    with pytest.raises(PolicyError, match="unknown field exigant, did you mean exigent"):
        Register([Pack(name="p", title="", jurisdiction="", clauses=(clause("c", "exigant", "2020-01-01"),))])
    with pytest.raises(PolicyError, match="ends on or before"):
        backwards = clause("c", "exigent", "2020-01-01", "2020-01-01")
        Register([Pack(name="p", title="", jurisdiction="", clauses=(backwards,))])
    with pytest.raises(PolicyError, match="two policy packs are called p"):
        Register([Pack(name="p", title="", jurisdiction=""), Pack(name="p", title="", jurisdiction="")])


def test_judging_costs_microseconds(reference: Reference) -> None:
    """Ten times the measured cost, so that only a lost memo can fail it on a busy machine."""
    bound = bind(reference, "lapd")
    begin = datetime(2021, 8, 1, tzinfo=UTC)
    searches = [a_search(begin + timedelta(seconds=30 * n), case_number=f"21-{n}") for n in range(20_000)]
    times = [search.event_time.timestamp() for search in searches]
    began = perf_counter()
    for search, at in zip(searches, times, strict=True):
        bound.violations(search, at)
    assert (perf_counter() - began) / len(searches) < 15e-6

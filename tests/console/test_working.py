"""Work on an alert through its page: what a form does, what it says when it cannot, and who may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from console.access.permissions import Role
from console.intake.taking import take_alerts
from console.reading.work import words_of_entry
from console.storage import ledger
from console.storage.engine import Store
from console.storage.tables import AlertRow, DecisionRow
from models.bundle import verify_bundle
from models.detectors import settings_types
from streams.commands.config import SHIPPED
from streams.configuration import load
from tests.console.alerts import search
from tests.console.browsing import Browser, add_account, make_console
from tests.console.conftest import copied
from tests.console.site import Site, fill, site_over

REASON = "Asked the captain; he could not say."


@pytest.fixture
def site(store: Store, tmp_path: Path) -> Site:
    return site_over(store, tmp_path)


@pytest.fixture
def first(site: Site) -> Browser:
    return site.person(Role.REVIEWER, name="reviewer-1")


@pytest.fixture
def second(site: Site) -> Browser:
    return site.person(Role.REVIEWER, name="reviewer-2")


def row(site: Site, path: str) -> AlertRow:
    with site.store.reading() as session:
        found = session.get(AlertRow, path.rpartition("/")[2])
        assert found is not None
        return found


def test_a_high_alert_is_closed_by_two_people(site: Site, first: Browser, second: Browser) -> None:
    path = site.path("alert:volume")
    assert first.submit(f"{path}/acknowledge").status_code == 303
    assert "looked into" in first.get(path).text
    assert first.submit(f"{path}/dispose", {"disposition": "confirmed", "text": REASON}).status_code == 303
    assert row(site, path).work_state == "proposed"
    page = first.get(path).text
    assert "Somebody else has to confirm" in page and 'action="' + f"{path}/confirm" not in page
    refused = first.submit(f"{path}/confirm")
    assert refused.status_code == 409 and "second person" in refused.text
    assert row(site, path).work_state == "proposed"
    assert second.submit(f"{path}/confirm").status_code == 303
    closed = row(site, path)
    assert (closed.work_state, closed.disposed_by, closed.confirmed_by) == (
        "closed",
        "reviewer-1",
        "reviewer-2",
    )
    page = first.get(path).text
    assert REASON in page and "reviewer-2" in page


def test_every_decision_is_an_entry_in_the_ledger(site: Site, first: Browser) -> None:
    path = site.path("alert:sequence_gap")
    with site.store.reading() as session:
        before = ledger.head(session).seq
    for deed, fields in (
        ("take", {}),
        ("acknowledge", {}),
        ("comment", {"text": "one"}),
        ("ask", {"text": "two"}),
        ("answer", {"text": "three"}),
        ("snooze", {"text": "four", "until": "2021-05-01"}),
    ):
        assert first.submit(f"{path}/{deed}", fields).status_code == 303, deed
    with site.store.reading() as session:
        assert ledger.head(session).seq == before + 6
        actions = session.scalars(select(DecisionRow.action).order_by(DecisionRow.seq)).all()
    assert actions == ["assign", "acknowledge", "comment", "ask", "answer", "snooze"]


def test_a_snooze_ends_in_the_morning_of_the_agencys_day(site: Site, first: Browser) -> None:
    path = site.path("alert:volume")
    first.submit(f"{path}/snooze", {"text": "wait", "until": "2021-05-01"})
    until = row(site, path).snoozed_until
    assert until is not None and until.isoformat() == "2021-05-01T07:00:00+00:00"
    site.clock.time = until - timedelta(seconds=1)
    first.enter("reviewer-1")  # the old session is over
    assert path not in first.get("/inbox").text
    site.clock.time = until
    assert path in first.get("/inbox").text


def test_an_undo_is_one_more_entry(site: Site, first: Browser) -> None:
    path = site.path("alert:volume")
    first.submit(f"{path}/acknowledge")
    page = first.get(path).text
    (decision,) = re.findall(r'name="undoes" value="([0-9a-f]{32})"', page)
    assert first.submit(f"{path}/undo", {"undoes": decision, "text": "wrong one"}).status_code == 303
    assert row(site, path).work_state == "new"
    assert "(undone)" in first.get(path).text


def test_alerts_are_merged_into_one_incident(site: Site, first: Browser) -> None:
    path, other = site.path("alert:volume"), site.path("alert:sequence_gap")
    into = other.rpartition("/")[2]
    assert first.submit(f"{path}/merge", {"into": into, "text": "same night"}).status_code == 303
    assert row(site, path).incident_id == row(site, other).incident_id
    wrong = first.submit(f"{path}/merge", {"into": "0" * 32, "text": "same night"})
    assert wrong.status_code == 422 and "there is no alert" in wrong.text


@pytest.mark.parametrize(
    ("deed", "fields", "words"),
    [
        ("dispose", {"disposition": "confirmed", "text": "  "}, "a disposition has a reason"),
        ("dispose", {"text": "typed already"}, "say what came of it"),
        ("dispose", {"disposition": "guilty", "text": "typed already"}, "cannot be kept"),
        ("snooze", {"until": "2020-01-01", "text": "typed already"}, "a snooze ends in the future"),
        ("snooze", {"until": "2031-01-01", "text": "typed already"}, "may rest for"),
        ("snooze", {"until": "9999-99-99", "text": "typed already"}, "this is no day"),
        ("answer", {"text": "typed already"}, "has not been acknowledged"),
        ("undo", {"undoes": "0" * 32, "text": "typed already"}, "cannot be undone"),
        ("undo", {"undoes": "'; --", "text": "typed already"}, "cannot be"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_lost(
    site: Site, first: Browser, deed: str, fields: dict[str, str], words: str
) -> None:
    path = site.path("alert:volume")
    answer = first.submit(f"{path}/{deed}", fields)
    assert answer.status_code in (409, 422)
    assert words in answer.text.lower().replace("&#39;", "'"), answer.text
    with site.store.reading() as session:
        assert session.scalars(select(DecisionRow)).all() == []
    if deed in ("dispose", "snooze") and fields["text"].strip():
        assert "typed already" in answer.text


def test_who_was_slower_is_told(site: Site, first: Browser, second: Browser) -> None:
    path = site.path("alert:volume")
    seen = str(row(site, path).decisions)
    assert first.submit(f"{path}/acknowledge", {"looked_at": seen}).status_code == 303
    late = second.submit(f"{path}/ask", {"looked_at": seen, "text": "why?"})
    assert late.status_code == 409 and "Somebody decided about this alert" in late.text
    assert "why?" in late.text


def test_only_a_supervisor_gives_work_to_others(site: Site, first: Browser) -> None:
    path = site.path("alert:volume")
    boss = site.person(Role.SUPERVISOR)
    assert first.submit(f"{path}/assign", {"assignee": "reviewer-1"}).status_code == 403
    assert boss.submit(f"{path}/assign", {"assignee": "nobody"}).status_code == 422
    site.person(Role.VIEWER, name="viewer-1")
    assert boss.submit(f"{path}/assign", {"assignee": "viewer-1"}).status_code == 422
    assert boss.submit(f"{path}/assign", {"assignee": "Reviewer-1"}).status_code == 303
    assert row(site, path).assignee == "reviewer-1"
    assert boss.submit(f"{path}/assign", {"assignee": ""}).status_code == 303
    assert row(site, path).assignee is None


def test_a_form_that_is_not_ours_does_nothing(site: Site, first: Browser) -> None:
    path = site.path("alert:volume")
    assert first.post(f"{path}/acknowledge", data={"csrf_token": "0" * 64}).status_code == 403
    assert row(site, path).work_state == "new"


@pytest.mark.parametrize("back", ["https://example.org/inbox", "//example.org", "/inbox\r\nX: y", "/ledger"])
def test_the_way_back_stays_in_the_inbox(site: Site, first: Browser, back: str) -> None:
    path = site.path("alert:volume")
    answer = first.submit(f"{path}/acknowledge", {"back": back})
    assert answer.headers["location"] == path


@pytest.fixture(scope="module")
def still(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One store for tests that change nothing about alerts."""
    folder = tmp_path_factory.mktemp("inbox")
    store = copied(template, folder / "store.sqlite")
    yield site_over(store, folder)
    store.close()


def test_views_are_kept_for_the_own_account_alone(still: Site) -> None:
    one, other = still.person(Role.VIEWER, name="viewer-7"), still.person(Role.VIEWER, name="viewer-8")
    query = "unit=u0&severity=high&show=nonsense&x=1&first=no"
    answer = one.submit("/inbox/views", {"name": " My  unit ", "query": query})
    assert answer.headers["location"] == "/inbox?severity=high&unit=u0"
    page = one.get("/inbox").text
    assert 'href="/inbox?severity=high&amp;unit=u0">My unit</a>' in page
    assert "My unit" not in other.get("/inbox").text
    (view,) = re.findall(r"/inbox/views/(\d+)/remove", page)
    other.submit(f"/inbox/views/{view}/remove")
    assert "My unit" in one.get("/inbox").text
    one.submit(f"/inbox/views/{view}/remove")
    assert "My unit" not in one.get("/inbox").text.replace("Removed", "")


def test_a_view_without_a_name_is_not_kept(still: Site) -> None:
    one = still.person(Role.VIEWER, name="viewer-9")
    one.submit("/inbox/views", {"name": " ", "query": "unit=u0"})
    assert "A view needs a name." in one.get("/inbox").text


def test_the_list_is_sent_again_only_when_something_has_changed(site: Site, first: Browser) -> None:
    page = first.get("/inbox").text
    (live,) = re.findall(r'hx-get="([^"]+)"', page)
    live = live.replace("&amp;", "&")
    assert first.get(live).status_code == 204
    second = site.person(Role.REVIEWER, name="reviewer-3")
    second.submit(f"{site.path('alert:volume')}/comment", {"text": "hm"})
    answer = first.get(live)
    assert answer.status_code == 200 and answer.text.lstrip().startswith('<div id="incidents"')
    site.clock.pass_by(minutes=1)
    assert first.get(live).status_code == 200, "a snooze may have ended"


def test_a_look_is_kept_in_the_browser(still: Site) -> None:
    person = still.person(Role.VIEWER, name="viewer-10")
    answer = person.submit("/display", {"theme": "dark", "back": "/policy?day=2020-01-01"})
    assert answer.headers["location"] == "/policy?day=2020-01-01"
    assert '<html lang="en" data-theme="dark">' in person.get("/policy").text
    for back in ("//example.org", "https://example.org", "/\\example.org", "x"):
        assert person.submit("/display", {"theme": "auto", "back": back}).headers["location"] == "/"
    assert "data-theme" not in person.get("/policy").text
    assert person.submit("/display", {"theme": "pink"}).status_code == 422


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("provisional", "Provisional: the day is still open"),
        ("amended", "Times and searches below are those of all its days"),
        ("withdrawn", "the program took it back when the day was complete; its sentence says why."),
    ],
)
def test_what_a_status_means_is_said(site: Site, first: Browser, status: str, said: str) -> None:
    like = next(one for one in site.alerts if one.detector == "volume")
    alert = msgspec.structs.replace(like, alert_id="f" * 32, status=status)
    with site.store.writing() as session:
        take_alerts(session, [alert], site.clock())
    assert said in first.get(f"/alerts/{alert.alert_id}").text


def test_one_source_is_not_many(store: Store, tmp_path: Path) -> None:
    fill(store, [search(1)], [])
    app = make_console(store, tmp_path, configuration=load(SHIPPED, SHIPPED, settings_types()))
    add_account(app, "viewer-1", Role.VIEWER, password=None)
    said = Browser(app).enter("viewer-1").get("/completeness").text
    assert "The only source reports." in said and "All 1 sources" not in said


def test_an_entity_tells_how_many_alerts_there_are_and_not_how_many_fit_on_a_page(
    site: Site, first: Browser
) -> None:
    like = next(one for one in site.alerts if one.detector == "volume")
    many = [msgspec.structs.replace(like, alert_id=f"{n:032x}", entity="r-busy") for n in range(1, 61)]
    with site.store.writing() as session:
        take_alerts(session, many, site.clock())
    assert "<dd>60, of them open 60</dd>" in first.get("/requester?agency=lapd&name=r-busy").text


@pytest.mark.parametrize("detector", ["volume", "policy_clause", "sequence_gap"])
def test_a_bundle_verifies_on_its_own_and_the_ledger_says_who_took_it(
    site: Site, first: Browser, detector: str
) -> None:
    path = site.path(f"alert:{detector}")
    assert site.person(Role.VIEWER, name="viewer-1").submit(f"{path}/bundle").status_code == 403
    answer = first.submit(f"{path}/bundle")
    lines = answer.content.splitlines(keepends=True)
    assert answer.headers["content-disposition"].startswith('attachment; filename="evidence-')
    assert verify_bundle(lines).faults == ()
    assert verify_bundle([lines[0], lines[1].replace(b"lapd", b"lapx"), *lines[2:]]).faults
    assert "took the evidence along" in first.get(path).text
    with site.store.reading() as session:
        (*_, last) = ledger.about(session, path.rpartition("/")[2])
    assert (last.kind, last.actor) == ("access", "reviewer-1")
    said = words_of_entry("access", msgspec.json.encode(last.body))
    assert said.startswith("what: evidence bundle, ") and len(said) < 600, "no list of all its lines"

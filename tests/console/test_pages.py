"""Every page over HTTP: it answers, its tables sort, filter and export, and nothing that is written in a log
becomes part of a page or of a query."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from console.access.permissions import Role
from console.web.formats import address
from models.alert import SEVERITIES, Alert
from tests.console.browsing import Browser
from tests.console.conftest import copied
from tests.console.site import Site, site_over

#: Pages that show something of the small store, by what they show.
PAGES = {
    "inbox": "/inbox",
    "all alerts": "/alerts",
    "an alert about a habit": "alert:volume",
    "an alert about a rule": "alert:policy_clause",
    "an alert about a source": "alert:sequence_gap",
    "who and what": "/people?kind=tool",
    "requester": address("/requester", agency="lapd", name="r1"),
    "unit": address("/unit", agency="lapd", name="u0"),
    "tool": address("/tool", agency="lapd", name="banned"),
    "subject": address("/subject", name="pet"),
    "calendar": "/calendar?agency=lapd&year=2021",
    "completeness": "/completeness",
    "policy": "/policy?day=2021-04-01&before=2019-01-01",
    "ledger": "/ledger",
}


@pytest.fixture(scope="module")
def site(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("pages")
    store = copied(template, folder / "store.sqlite")
    yield site_over(store, folder)
    store.close()


@pytest.fixture(scope="module")
def supervisor(site: Site) -> Browser:
    return site.person(Role.SUPERVISOR)


@pytest.fixture(params=[*PAGES.values()], ids=[*PAGES])
def path(request: pytest.FixtureRequest, site: Site) -> str:
    return site.path(request.param)


class Read(HTMLParser):
    """What stands in a page: elements with their attributes, and the names of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def values(self, tag: str, key: str) -> list[str]:
        return [found for name, attrs in self.elements if name == tag and (found := attrs.get(key))]

    @property
    def tables(self) -> list[str]:
        return [name.removeprefix("table-") for name in self.values("div", "id") if name.startswith("table-")]


def page(person: Browser, path: str) -> Read:
    answer = person.get(path)
    assert answer.status_code == 200, (path, answer.text[-600:])
    return Read(answer.text)


def test_a_page_is_whole(supervisor: Browser, path: str) -> None:
    read = page(supervisor, path)
    names = [tag for tag, _ in read.elements]
    assert names.count("h1") == 1
    assert names.count("main") == 1
    ids = [attrs["id"] for _, attrs in read.elements if attrs.get("id")]
    assert len(ids) == len(set(ids)), "ids are unique"
    assert len(read.values("a", "aria-current")) == 1
    labelled = {*read.values("label", "for")}
    for tag, attrs in read.elements:
        if tag in ("input", "select", "textarea") and attrs.get("type") != "hidden":
            assert attrs.get("id") in labelled, attrs


def test_a_page_runs_and_colours_nothing_by_itself(supervisor: Browser, path: str) -> None:
    """What the Content-Security-Policy forbids is not even there."""
    for tag, attrs in page(supervisor, path).elements:
        assert "style" not in attrs and tag != "style", (tag, attrs)
        assert not [key for key in attrs if key.startswith(("on", "hx-on"))], (tag, attrs)
        assert tag != "script" or (attrs.get("src") or "").startswith("/static/")


def test_a_page_asks_no_other_host(supervisor: Browser, path: str) -> None:
    for tag, attrs in page(supervisor, path).elements:
        for key in ("src", "action", "data", "poster", "hx-get", "hx-post"):
            assert (attrs.get(key) or "/").startswith("/"), (tag, attrs)
        if tag == "link":
            assert (attrs.get("href") or "").startswith("/static/")


#: Addresses that were followed once: most pages lead to the same.
FOLLOWED: set[str] = set()


def test_links_within_a_page_lead_somewhere(supervisor: Browser, path: str) -> None:
    targets = {
        one
        for one in page(supervisor, path).values("a", "href")
        if one.startswith("/") and one != "/" and ".sort=" not in one and "export=" not in one
    } - FOLLOWED
    FOLLOWED.update(targets)
    for target in targets:
        assert supervisor.get(target).status_code == 200, (path, target)


def test_every_table_sorts_and_exports(supervisor: Browser, path: str) -> None:
    read = page(supervisor, path)
    links = read.values("a", "href")
    assert read.tables or path == "/inbox"
    for name in read.tables:
        sorts = [one for one in links if f"{name}.sort=" in one]
        assert sorts, name
        turned = page(supervisor, sorts[-1])
        asked = dict(parse_qsl(urlsplit(sorts[-1]).query))[f"{name}.sort"]
        said = "descending" if asked.startswith("-") else "ascending"
        assert said in [attrs.get("aria-sort") for tag, attrs in turned.elements if tag == "th"]
        exports = [one for one in links if one.endswith(f"export={name}")]
        if not exports:
            continue  # an empty table has nothing to export
        answer = supervisor.get(exports[0])
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert re.fullmatch(r'attachment; filename="[a-z0-9-]+\.csv"', answer.headers["content-disposition"])
        rows = list(csv.reader(io.StringIO(answer.text, newline="")))
        assert len(rows) > 1 and len({len(row) for row in rows}) == 1


@pytest.mark.parametrize(
    "text", ["' or '1'='1'; drop table alerts; --", '"><script>alert(1)</script>', "{{7919*7907}}%_\\é../.."]
)
def test_a_filter_takes_anything(supervisor: Browser, path: str, text: str) -> None:
    """Neither the database nor the page takes a filter for anything but words."""
    read = page(supervisor, path)
    fields = {
        name
        for tag, attrs in read.elements
        if tag in ("input", "select") and (name := attrs.get("name")) and attrs.get("type") != "hidden"
    }
    free = [name for name in fields if name.partition(".")[0] in read.tables or path == "/inbox"]
    asked = "&".join(f"{name}={quote(text)}" for name in sorted(free))
    found = page(supervisor, f"{path}{'&' if '?' in path else '?'}{asked}")
    assert [tag for tag, _ in found.elements].count("script") == 2, "ours alone"
    shown = [attrs.get("value") for tag, attrs in found.elements if tag == "input"]
    assert text in shown or not free
    assert "62615533" not in " ".join(filter(None, shown)), "a template took it for its own"


def test_what_a_detector_says_of_itself_is_no_markup(site: Site, supervisor: Browser) -> None:
    said = supervisor.get(site.path("alert:sequence_gap")).text.partition("What else could explain it")[2]
    assert "(see <code>silence</code>)" in said and "`" not in said


def test_alerts_of_an_entity_are_the_worst_first(supervisor: Browser) -> None:
    rows = exported(supervisor, PAGES["requester"] + "&export=alerts")
    ranks = [SEVERITIES.index(row["Severity"]) for row in rows]
    assert len(set(ranks)) > 1 and ranks == sorted(ranks, reverse=True)


def exported(person: Browser, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(person.get(path).text, newline="")))


def test_a_filter_finds_what_it_says(supervisor: Browser) -> None:
    rows = list(
        csv.DictReader(io.StringIO(supervisor.get("/alerts?export=alerts&alerts.severity=critical").text))
    )
    assert rows and {row["Severity"] for row in rows} == {"critical"}
    by_score = [
        float(row["Score"]) for row in exported(supervisor, "/alerts?export=alerts&alerts.sort=score")
    ]
    assert by_score == sorted(by_score)


@pytest.mark.parametrize(
    "path",
    [
        "/alerts/0000",
        "/alerts/..%2f..%2fetc%2fpasswd",
        "/requester?name=nobody",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/nothing",
    ],
)
def test_what_is_not_there_is_said_to_a_person(supervisor: Browser, path: str) -> None:
    answer = supervisor.get(path)
    assert answer.status_code == 404
    assert "<h1>" in answer.text and "Traceback" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/requester", "/calendar?year=abc", "/calendar?year=99999", "/policy?day=never", "/people?kind=cat"],
)
def test_a_wrong_address_is_said_to_a_person(supervisor: Browser, path: str) -> None:
    answer = supervisor.get(path)
    assert answer.status_code == 422
    assert "<h1>" in answer.text and "Traceback" not in answer.text


def test_the_first_page_is_one_that_the_reader_may_see(site: Site) -> None:
    for role in Role:
        person = site.person(role, name=f"first-{role}")
        answer = person.get("/")
        assert person.get(answer.headers["location"]).status_code == 200, role


def test_a_viewer_sees_no_button(site: Site) -> None:
    viewer = site.person(Role.VIEWER)
    for path in ("/inbox", site.path("alert:volume")):
        actions = {*page(viewer, path).values("form", "action")}
        assert actions <= {"/logout", "/display", "/inbox", "/inbox/views", path}, actions


# What is written in a log.

SCRIPT = "<script>alert('x')</script>"
HOSTILE = [
    SCRIPT,
    '"><img src=x onerror=alert(1)>',
    "{{ 7919 * 7907 }}",
    "javascript:alert(1)",
    '=HYPERLINK("h")',
]


@pytest.fixture(params=HOSTILE, scope="module")
def hostile(
    request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Browser, Alert]]:
    """A store in which reasons, names of entities, cases, areas and sources say something hostile."""
    text: str = request.param
    folder = tmp_path_factory.mktemp("hostile")
    store = copied(template, folder / "store.sqlite")
    site = site_over(store, folder, spoiled=text)
    alert = next(one for one in site.alerts if one.detector == "volume")
    yield text, site.person(Role.SUPERVISOR), alert
    store.close()


def test_what_a_log_says_is_text(hostile: tuple[str, Browser, Alert]) -> None:
    text, person, alert = hostile
    paths = [
        "/inbox", "/alerts", f"/alerts/{alert.alert_id}", "/people", "/completeness", "/ledger",
        address("/requester", agency="lapd", name=alert.entity), address("/subject", name=text),
        address("/unit", agency="lapd", name=alert.unit_id),
    ]  # fmt: skip
    for path in paths:
        answer = person.get(path)
        assert answer.status_code == 200, path
        read = Read(answer.text)
        assert [tag for tag, _ in read.elements].count("script") == 2, path
        assert "img" not in [tag for tag, _ in read.elements]
        for _, attrs in read.elements:
            assert not [key for key in attrs if key.startswith("on")]
            for key in ("href", "action"):
                assert (attrs.get(key) or "/").startswith(("/", "#", "http")), (path, attrs)
        assert "62615533" not in answer.text, "a template took it for its own"


def test_what_a_log_says_is_no_formula(hostile: tuple[str, Browser, Alert]) -> None:
    text, person, alert = hostile
    rows = exported(person, f"/alerts/{alert.alert_id}?export=evidence")
    reasons = {row["Reason in the requester's words"] for row in rows}
    assert reasons == {f"'{text}" if text.startswith("=") else text}


def test_the_name_of_an_exported_file_is_ours(hostile: tuple[str, Browser, Alert]) -> None:
    _, person, alert = hostile
    answer = person.get(address("/requester", agency="lapd", name=alert.entity) + "&export=searches")
    assert re.fullmatch(r'attachment; filename="[a-z0-9-]+\.csv"', answer.headers["content-disposition"])

"""The public report as the command writes it, and as a page of the console."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.access.permissions import Role
from console.report import counting
from console.report.files import files, one_report
from console.report.pdf import pdf
from console.report.static import html
from console.report.tables import tidy
from console.settings import ConsoleSettings
from console.storage.engine import Store
from models.detectors import settings_types
from streams.__main__ import app as commands
from streams.commands.config import SHIPPED
from streams.configuration import Configuration, load
from tests.console.browsing import Browser, add_account, make_console
from tests.console.march import MARCH, add_searches


@pytest.fixture(scope="module")
def shipped() -> Configuration:
    return load(SHIPPED, SHIPPED, settings_types())


def test_the_command_writes_three_files(store: Store, tmp_path: Path, shipped: Configuration) -> None:
    add_searches(store, 20, agency_id="lapd", purpose="criminal_investigation")
    add_searches(store, 20, agency_id="detroit-pd", purpose="violent_crime")
    folder = tmp_path / "out"
    days = ["--from", "2021-03-01", "--to", "2021-03-31"]
    place = ["--out", str(folder), "--database", str(store.engine.url)]
    done = CliRunner().invoke(commands, ["report", *days, *place])
    assert done.exit_code == 0, done.output
    assert {one.name for one in folder.iterdir()} == {"report.html", "report.pdf", "report.csv"}
    with store.reading() as session:
        made = files(session, shipped, ConsoleSettings(), MARCH.first, MARCH.last)
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == made
    page = made["report.html"].decode()
    assert "Los Angeles Police Department" in page and "(America/Detroit)" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--to", "2021-02-01"], "before it begins"),
        (["--agency", "nobody"], "has nothing of nobody; it has pd"),
        (["--database", "sqlite:////nowhere/console.sqlite"], "there is no store at"),
        (["--out", "/proc/nowhere"], "cannot write /proc/nowhere"),
    ],
)
def test_the_command_says_what_is_wrong(store: Store, tmp_path: Path, change: list[str], words: str) -> None:
    add_searches(store, 9)
    known = {
        "--from": "2021-03-01",
        "--to": "2021-03-31",
        "--out": str(tmp_path / "out"),
        "--database": str(store.engine.url),
    }
    known[change[0]] = change[1]
    done = CliRunner().invoke(commands, ["report", *(part for pair in known.items() for part in pair)])
    assert done.exit_code == 1 and words in done.output.replace("\n", "")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_the_page_shows_the_figures_and_gives_the_files(
    store: Store, tmp_path: Path, shipped: Configuration
) -> None:
    add_searches(store, 20, agency_id="lapd", purpose="criminal_investigation")
    add_searches(store, 3, agency_id="lapd", purpose="at_risk_person")
    app = make_console(store, tmp_path, configuration=shipped)
    for role in (Role.VIEWER, Role.SUPERVISOR):
        add_account(app, f"{role}-1", role, password=None)
    viewer, maker = (Browser(app).enter(f"{role}-1") for role in (Role.VIEWER, Role.SUPERVISOR))
    address = "?agency=lapd&from=2021-03-01&to=2021-03-31"
    page = viewer.get(f"/figures{address}").text
    assert "Searches by purpose" in page and "withheld" in page and "report.pdf" not in page
    lines = viewer.get(f"/figures{address}&export=searches-purpose").text.splitlines()
    assert "at risk person,withheld" in lines and "all,23" in lines
    assert viewer.get(f"/figures/report.pdf{address}").status_code == 403
    page = maker.get(f"/figures{address}").text
    with store.reading() as session:
        report = one_report(session, shipped, ConsoleSettings(), "lapd", MARCH.first, MARCH.last)
    for kind, content in (
        ("html", html([report]).encode()),
        ("pdf", pdf([report])),
        ("csv", tidy([report]).encode()),
    ):
        assert f"/figures/report.{kind}?" in page
        answer = maker.get(f"/figures/report.{kind}{address}")
        assert answer.content == content and "attachment" in answer.headers["content-disposition"]
    assert maker.get("/figures/report.pdf?agency=x&from=2021-03-01&to=2021-03-02").status_code == 404
    assert maker.get("/figures/report.csv?agency=lapd&from=2021-03-01&to=2021-02-02").status_code == 422


def test_a_period_without_searches_says_where_they_are(
    store: Store, tmp_path: Path, shipped: Configuration
) -> None:
    add_searches(store, 20, agency_id="lapd")
    with store.reading() as session:
        found = counting.known(session, "lapd", "America/Los_Angeles")
    assert found is not None and MARCH.first <= found.first <= found.last <= MARCH.last
    app = make_console(store, tmp_path, configuration=shipped)
    add_account(app, "viewer-1", Role.VIEWER, password=None)
    viewer = Browser(app).enter("viewer-1")
    page = viewer.get("/figures").text
    assert f"No search of this period is here. Those that are here are from {found}" in page
    (address,) = re.findall(r'<a href="([^"]*)">show the last month', page)
    there = viewer.get(address.replace("&amp;", "&")).text
    assert "No search of this period" not in there


def test_sorting_does_not_tell_where_a_withheld_count_lies(
    store: Store, tmp_path: Path, shipped: Configuration
) -> None:
    add_searches(store, 20, agency_id="lapd", purpose="criminal_investigation")
    add_searches(store, 9, agency_id="lapd", purpose="immigration")
    add_searches(store, 3, agency_id="lapd", purpose="at_risk_person")
    app = make_console(store, tmp_path, configuration=shipped)
    add_account(app, "viewer-1", Role.VIEWER, password=None)
    address = (
        "/figures?agency=lapd&from=2021-03-01&to=2021-03-31&export=searches-purpose&searches-purpose.sort="
    )
    for order in ("c0", "-c0"):
        rows = list(csv.reader(Browser(app).enter("viewer-1").get(address + order).text.splitlines()))[1:]
        hidden = [words for words, count in rows[-2:] if count == "withheld"]
        assert hidden == sorted(hidden) and len(hidden) == 2


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "Nothing has arrived yet"),
        ("?from=2021-03-02&to=2021-03-01", "Nothing has arrived yet"),
    ],
)
def test_the_page_of_an_empty_store_says_so(store: Store, tmp_path: Path, address: str, words: str) -> None:
    app = make_console(store, tmp_path)
    add_account(app, "viewer-1", Role.VIEWER, password=None)
    assert words in Browser(app).enter("viewer-1").get(f"/figures{address}").text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=2021-03-02&to=2021-03-01", "before it begins"),
        ("from=yesterday", "Yesterday is no day"),
        ("from=0001-01-01", "lies outside the years"),
        ("", "1 February 2026 to 28 February 2026"),
    ],
)
def test_the_page_says_what_is_wrong_with_a_period(
    store: Store, tmp_path: Path, query: str, words: str
) -> None:
    add_searches(store, 9)
    app = make_console(store, tmp_path)
    add_account(app, "viewer-1", Role.VIEWER, password=None)
    answer = Browser(app).enter("viewer-1").get(f"/figures?{query}")
    assert answer.status_code == 200 and words in answer.text

"""Pages beside the way of the work: from the first login to an error; and the public report's own file."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyotp
import pytest
import structlog
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from console.access.permissions import Role
from console.report.files import files
from tests.console.browser.accessible import NARROW, cramped, faults
from tests.console.browser.conftest import Desk
from tests.console.browsing import PASSWORD, add_account

pytestmark = pytest.mark.browser

LOOKS: list[dict[str, Any]] = [
    {"color_scheme": "light"},
    {"color_scheme": "dark"},
    {"color_scheme": "light", "viewport": NARROW},
]
either = pytest.mark.parametrize("look", LOOKS, ids=["light", "dark", "narrow"])
NEW = "larks over a wide meadow"


def looks_well(page: Page) -> None:
    assert faults(page) == []
    if page.viewport_size == NARROW:
        assert cramped(page) == []


@either
def test_from_the_first_login_to_the_second(desk: Desk, look: dict[str, Any]) -> None:
    app, clock = desk.site.app, desk.site.clock
    app.state.settings = app.state.settings.model_copy(update={"second_factor": "required"})
    add_account(app, "reviewer-7", Role.REVIEWER, until=clock() + timedelta(days=7))
    page = desk.come("/inbox", **look)
    expect(page.locator("h1")).to_have_text("Log in")
    looks_well(page)
    page.get_by_label("Name").fill("reviewer-7")
    page.get_by_label("Password").fill("some words that are wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("[role=alert]")).to_be_visible()
    looks_well(page)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("h1")).to_have_text("Choose a password")
    looks_well(page)
    page.get_by_label("Old password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("New password once more").fill(NEW)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Set up the second factor")
    looks_well(page)
    codes = pyotp.TOTP(page.locator("figcaption code").inner_text().replace(" ", ""))
    page.get_by_label("Code").fill(codes.at(clock()))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Recovery codes")
    looks_well(page)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("h1")).to_have_text("Inbox")
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("h1")).to_have_text("Log in")
    clock.pass_by(minutes=1)
    page.get_by_label("Name").fill("reviewer-7")
    page.get_by_label("Password").fill(NEW)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Second step")
    looks_well(page)
    page.get_by_label("Code from your app").fill(codes.at(clock()))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/(inbox)?$"))


@either
def test_errors_are_pages(desk: Desk, look: dict[str, Any]) -> None:
    for path, title in (("/accounts", "This is not allowed"), ("/nowhere", "There is no such page")):
        page = desk.open(path, **look)
        expect(page.locator("h1")).to_have_text(title)
        expect(page.get_by_role("link", name="Go to the first page")).to_be_visible()
        looks_well(page)
    with desk.site.store.engine.begin() as connection:
        connection.exec_driver_sql("drop table saved_views")
    with structlog.testing.capture_logs():  # a pretty traceback takes longer than the browser waits
        page = desk.open("/inbox", **look)
    expect(page.locator("h1")).to_have_text("Something went wrong here")
    expect(page.locator("main")).not_to_contain_text("saved_views")
    looks_well(page)


def test_figures_are_chosen_read_and_taken_along(window: Desk, tmp_path: Path) -> None:
    page = window.open("/figures", Role.ANALYST)
    page.get_by_label("First day").fill("2021-03-01")
    page.get_by_label("Last day").fill("2021-03-31")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("figure svg").first).to_be_visible()
    expect(page.locator("main")).to_contain_text("withheld")
    for kind, begin in (("HTML", b"<!doctype html>"), ("PDF", b"%PDF-"), ("CSV", b"")):
        with page.expect_download() as download:
            page.get_by_role("link", name=kind, exact=True).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        assert file.name == f"public-figures-2021-03-01-2021-03-31.{kind.lower()}"
        assert file.read_bytes().startswith(begin) and file.stat().st_size > 500
    page.get_by_label("Last day").fill("2021-02-01")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("[role=alert]")).to_be_visible()
    assert faults(page) == []
    viewer = window.open("/figures?from=2021-03-01&to=2021-03-31", Role.VIEWER)
    expect(viewer.locator("figure svg").first).to_be_visible()
    expect(viewer.get_by_role("link", name="PDF", exact=True)).to_have_count(0)


@either
def test_the_public_report_is_for_everybody(
    window: Desk, chromium: Chromium, tmp_path: Path, look: dict[str, Any]
) -> None:
    state = window.site.app.state
    march = date(2021, 3, 1), date(2021, 3, 31)
    with window.site.store.reading() as session:
        made = files(session, state.configuration, state.settings, *march)
    file = tmp_path / "report.html"
    file.write_bytes(made["report.html"])
    context = chromium.new_context(**look)
    page = context.new_page()
    page.goto(file.as_uri())
    expect(page.locator("h1")).to_contain_text("Public figures")
    looks_well(page)
    context.close()


def test_what_staff_type_is_text(desk: Desk) -> None:
    hostile = "<img src=x onerror='window.hit = 1'><script>window.hit = 1</script>{{ 7919 * 7907 }}"
    page = desk.open("alert:volume")
    page.locator("summary", has_text="Comment").click()
    page.locator("#text-comment").fill(hostile)
    page.get_by_role("button", name="Comment", exact=True).click()
    page.locator("summary", has_text="What happened so far").click()
    expect(page.locator("#table-history")).to_contain_text(hostile)
    for path, role in (("/ledger", Role.AUDITOR), ("/inbox?text=" + quote(hostile), Role.REVIEWER)):
        other = desk.open(path, role)
        other.wait_for_load_state("load")
        assert other.evaluate("window.hit") is None
        assert other.locator("img[src=x]").count() == 0
    assert page.evaluate("window.hit") is None

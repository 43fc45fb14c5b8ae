"""Every page as people see it: axe finds nothing, it fits a narrow screen, and it works by keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from console.access.permissions import Role
from tests.console.browser.accessible import NARROW, cramped, faults
from tests.console.browser.conftest import Desk
from tests.console.browser.pages import PAGES

pytestmark = pytest.mark.browser

#: What a page without a style sheet has behind it.
NO_GROUND = "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(window: Desk, name: str, scheme: str) -> None:
    path, role = PAGES[name]
    assert faults(window.open(path, role, color_scheme=scheme)) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_screen_scrolls_one_way(window: Desk, name: str) -> None:
    path, role = PAGES[name]
    assert cramped(window.open(path, role, viewport=NARROW)) == []


def test_keyboard_alone_reads_and_acknowledges(desk: Desk) -> None:
    page = desk.open("/inbox")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    first = page.locator("[data-row]").nth(0)
    expect(first.locator("[data-open]")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(first.locator("[data-open]")).to_be_focused()
    page.keyboard.press("a")
    expect(page.locator("[data-row]").nth(0).locator(".mark").nth(2)).to_have_text("looked into")
    expect(page.locator("#notices")).to_contain_text("written to the ledger")
    expect(page.locator("[data-row]").nth(0)).to_have_class("incident worst-critical chosen")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Alert about")
    page.keyboard.press("d")
    expect(page.locator("#disposition-confirmed")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("asked; no case was named")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#work")).to_contain_text("Somebody else has to confirm or reject it.")


def test_keys_can_be_read_and_switched_off(window: Desk) -> None:
    page = window.open("/inbox")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.locator("#keys-on").uncheck()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("j")
    expect(page.locator(".chosen")).to_have_count(0)
    page.reload()
    page.keyboard.press("j")
    expect(page.locator(".chosen")).to_have_count(0)


def test_a_letter_in_a_field_is_a_letter(window: Desk) -> None:
    page = window.open("/people")
    page.keyboard.press("/")
    page.keyboard.type("jack?/")
    expect(page.locator("#words")).to_have_value("jack?/")
    expect(page.locator("#keys")).to_be_hidden()


def test_times_are_in_the_readers_zone_with_utc_beside_them(window: Desk) -> None:
    page = window.open("alert:volume")
    told = page.locator("time[data-instant]").first
    expect(told).to_contain_text("UTC")
    assert "GMT-7" in told.inner_text() or "PDT" in told.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_switch_wins_over_the_system(window: Desk, scheme: str) -> None:
    page = window.open("/policy", color_scheme=scheme)
    other = "dark" if scheme == "light" else "light"
    before = _ground(page)
    page.get_by_role("button", name=other, exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", other)
    assert page.url.endswith("/policy")
    assert _ground(page) not in (before, NO_GROUND)
    page.get_by_role("button", name="as the system").click()
    expect(page.locator("html:not([data-theme])")).to_have_count(1)
    assert _ground(page) == before


def _ground(page: Page) -> str:
    """The colour behind the page, once its style sheet is there."""
    page.wait_for_load_state("load")
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_nothing_moves_for_who_asked_for_that(window: Desk) -> None:
    page = window.open("/inbox", reduced_motion="reduce")
    page.evaluate("document.querySelector('.incident').classList.add('fresh')")
    assert page.evaluate("getComputedStyle(document.querySelector('.fresh')).animationName") == "none"


def test_a_table_is_exchanged_without_losing_the_place(window: Desk) -> None:
    page = window.open("/alerts")
    page.evaluate("window.same = true")
    head = page.locator("#sort-alerts-score")
    head.focus()
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort]")).to_contain_text("Score")
    expect(page.locator("#sort-alerts-score")).to_be_focused()
    assert page.evaluate("window.same"), "the page itself was not loaded again"
    assert "alerts.sort=-score" in page.url
    page.go_back()
    expect(page.locator("th[aria-sort]")).to_contain_text("Severity")


def test_everything_works_without_javascript(desk: Desk) -> None:
    page = desk.open("/inbox", java_script_enabled=False)
    page.locator("[data-open]").first.click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#work")).to_contain_text("It is being looked into")
    page.locator("details", has_text="Comment").locator("summary", has_text="Comment").click()
    page.locator("#text-comment").fill("seen")
    page.get_by_role("button", name="Comment", exact=True).click()
    page.locator("summary", has_text="What happened so far").click()
    expect(page.locator("#table-history")).to_contain_text("seen")
    page.goto("/alerts")
    page.locator("#sort-alerts-score").click()
    expect(page.locator("th[aria-sort]")).to_contain_text("Score")


def test_an_auditor_reads_the_ledger_and_nothing_else(window: Desk) -> None:
    page = window.open("/", Role.AUDITOR)
    expect(page.locator("h1")).to_have_text("Ledger")
    expect(page.locator(".ways a")).to_have_count(1)
    expect(page.locator("#table-ledger td a")).to_have_count(0)
    page.get_by_role("link", name="Verify now").click()
    expect(page.locator(".note.good")).to_contain_text("The ledger is whole")

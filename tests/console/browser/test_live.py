"""The way of an alert in a real browser: it arrives by itself, two people judge it, the ledger has it."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import expect

from console.access.permissions import Role
from console.intake.taking import take_alerts
from models.alert import Alert, alert_id
from models.ledger import verify
from tests.console.browser.conftest import Desk
from tests.console.browser.deciding import decide

pytestmark = pytest.mark.browser

#: Within so many seconds an alert that has arrived in the store is seen.
SOON = 2.0


def arrives(desk: Desk, **fields: object) -> Alert:
    """One more alert arrives, as intake takes it."""
    like = next(one for one in desk.site.alerts if one.detector == "volume")
    one = msgspec.structs.replace(
        like, alert_id=alert_id("volume", "lapd", "r9", None, 1.0), entity="r9", severity="critical",
        score=99.0, explanation="77 searches in 1 day where 0.5 [0-2] were expected.", **fields,
    )  # fmt: skip
    with desk.site.store.writing() as session:
        take_alerts(session, [one], desk.site.clock())
    return one


def test_an_alert_is_seen_without_reload_within_two_seconds(desk: Desk) -> None:
    page = desk.open("/inbox")
    page.evaluate("window.same = true")
    page.keyboard.press("j")
    page.keyboard.press("j")
    chosen = page.evaluate("document.activeElement.id")
    alert = arrives(desk)
    began = time.monotonic()
    expect(page.locator(".incident").first).to_contain_text("77 searches", timeout=1000 * SOON)
    assert time.monotonic() - began < SOON
    assert page.evaluate("window.same")
    expect(page.locator("#said")).to_have_text("1 new or changed alert in the inbox.")
    assert page.evaluate("document.activeElement.id") == chosen, "who was reading keeps the place"
    expect(page.locator(".incident.chosen")).to_have_count(1)
    assert page.locator(f"#open-{alert.alert_id}").count() == 1


def test_live_updates_can_be_paused(desk: Desk) -> None:
    page = desk.open("/inbox")
    button = page.get_by_role("button", name="Pause live updates")
    button.click()
    arrives(desk)
    page.wait_for_timeout(1000 * SOON)
    expect(page.locator(".incident").first).not_to_contain_text("77 searches")
    button.click()
    expect(page.locator(".incident").first).to_contain_text("77 searches", timeout=1000 * SOON)


def test_an_open_page_alone_keeps_nobody_logged_in(desk: Desk) -> None:
    page = desk.open("/inbox")
    desk.site.clock.pass_by(minutes=20)
    page.wait_for_timeout(1500)
    desk.site.clock.pass_by(minutes=11)
    expect(page).to_have_url(f"{desk.address}/login?next=%2Finbox", timeout=5000)


def test_from_arrival_to_the_ledger(desk: Desk, tmp_path: Path) -> None:
    first = desk.open("/inbox", name="reviewer-1")
    second = desk.open("/inbox", name="reviewer-2")
    alert = arrives(desk)
    first.locator(f"#open-{alert.alert_id}").click()
    first.get_by_text("The numbers as a table").first.click()
    expect(first.locator("#table-expected")).to_contain_text("Seen")
    decide(first, second, alert)
    expect(second.locator("#work")).to_contain_text("reviewer-1 and reviewer-2")
    auditor = desk.open(f"/ledger?ledger.alert={alert.alert_id}", Role.AUDITOR)
    expect(auditor.locator("#table-ledger tbody tr")).to_have_count(4)
    expect(auditor.locator("#table-ledger")).to_contain_text("the captain could not say")
    with auditor.expect_download() as download:
        auditor.get_by_role("link", name="Export for verification elsewhere").click()
    file = tmp_path / "ledger.jsonl"
    download.value.save_as(file)
    lines = file.read_bytes().splitlines(keepends=True)
    assert verify(lines).faults == ()
    (place,) = (number for number, line in enumerate(lines) if b'"action":"confirm"' in line)
    lines[place] = lines[place].replace(b"reviewer-2", b"reviewer-3")
    assert verify(lines).faults[0].line == place + 1, "a changed byte is named"
    auditor.get_by_role("link", name="Verify now").click()
    expect(auditor.locator(".note.good")).to_contain_text("The ledger is whole")

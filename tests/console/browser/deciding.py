"""What two people do in a browser with an alert that one of them has open."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from models.alert import Alert

#: What the first one writes, and the ledger then has.
REASON = "No case was named; the captain could not say."


def decide(first: Page, second: Page, alert: Alert) -> None:
    """The first reads its picture, acknowledges and proposes; the second, who is in the inbox, confirms."""
    expect(first.locator("figure svg").first).to_be_visible()
    assert f"{alert.observed:g} seen" in first.locator("figure desc").first.inner_html()
    first.get_by_role("button", name="Acknowledge").click()
    first.locator("summary", has_text="Decide what it is").click()
    first.get_by_label("confirmed: a rule was broken").check()
    first.locator("#text-dispose").fill(REASON)
    first.get_by_role("button", name="Propose").click()
    expect(first.locator("#work")).to_contain_text("Somebody else has to confirm or reject it.")
    second.locator(f"#open-{alert.alert_id}").click()
    second.get_by_role("button", name="Confirm the disposition").click()
    expect(second.locator("#work")).to_contain_text("Closed")

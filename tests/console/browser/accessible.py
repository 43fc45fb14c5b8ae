"""What a page must be for everybody: clean by axe, one way to scroll at 320 pixels, no small targets."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

#: WCAG 2.2 AA and the levels below it.
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}
#: A narrow screen.
NARROW: Any = {"width": 320, "height": 640}
#: Least height and width of what is pressed, pixels.
TARGET = 24


def faults(page: Page) -> list[str]:
    """What axe finds wrong with everything unfolded, a line each."""
    _unfold(page)
    found: dict[str, Any] = Axe().run(page, options=RULES).response
    return [
        f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:4]}"
        for one in found["violations"]
    ]


def cramped(page: Page) -> list[str]:
    """What is wrong on a narrow screen: a page that scrolls sideways, targets that are too small."""
    _unfold(page)
    small: list[str] = page.evaluate(
        """(least) => [...document.querySelectorAll(
              "button, summary, input:not([type=hidden]), select, .ways a")]
            .filter((one) => one.checkVisibility())
            .map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
            .filter(([, box]) => box.width < least || box.height < least).map(([words]) => words)""",
        TARGET,
    )
    wide = page.evaluate("document.documentElement.scrollWidth")
    return [*small, *([f"the page is {wide} pixels wide"] if wide > NARROW["width"] else [])]


def _unfold(page: Page) -> None:
    page.wait_for_load_state("load")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")

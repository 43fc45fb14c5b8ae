"""Pictures of every page for `docs/console.md`, written where PICTURES says; without it nothing is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.console.browser.conftest import Desk
from tests.console.browser.pages import PAGES

pytestmark = pytest.mark.browser

#: A picture shows a page as far as this, pixels.
WIDE, MOST_TALL = 1000, 1300
#: So many colours and bytes are enough for one.
COLOURS, MOST_BYTES = 48, 120_000


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_its_picture(window: Desk, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    path, role = PAGES[name]
    page = window.open(path, role, viewport={"width": WIDE, "height": 700}, color_scheme="light")
    tall = min(page.evaluate("document.documentElement.scrollHeight"), MOST_TALL)
    file = folder / f"{name}.png"
    page.screenshot(path=file, full_page=True, clip={"x": 0, "y": 0, "width": WIDE, "height": tall})
    with Image.open(file) as drawn:
        drawn.quantize(COLOURS).save(file, optimize=True)
    assert 5_000 < file.stat().st_size < MOST_BYTES

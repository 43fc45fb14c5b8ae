"""A console over the small store, served on loopback, and a browser for the whole session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page

from console.access.permissions import Role
from tests.console.browser.serving import browsing, serving
from tests.console.conftest import copied
from tests.console.site import Site, site_over


class Desk:
    """People in front of a console: `open` gives a page of somebody that is logged in."""

    def __init__(self, chromium: Chromium, site: Site, address: str, contexts: ExitStack) -> None:
        self.site, self.address = site, address
        self._chromium, self._contexts = chromium, contexts
        self._tokens: dict[str, str] = {}
        self.foreign: list[str] = []
        """What pages asked of other hosts."""
        self.complaints: list[str] = []
        """What the browser said about pages; a status is no fault of a page."""

    def open(self, path: str, role: Role = Role.REVIEWER, name: str | None = None, **look: Any) -> Page:
        """A page; `look` are settings of a browser context."""
        name = name or f"{role}-1"
        if name not in self._tokens:
            self._tokens[name] = self.site.person(role, name=name).token or ""
        return self.come(path, self._tokens[name], **look)

    def come(self, path: str, token: str | None = None, **look: Any) -> Page:
        """A page of a browser that has this session, or none."""
        context = self._chromium.new_context(
            base_url=self.address, timezone_id="America/Los_Angeles", locale="en-US", **look
        )
        self._contexts.callback(context.close)
        if token is not None:
            context.add_cookies([{"name": "probewatch-session", "value": token, "url": self.address}])
        page = context.new_page()
        page.on("request", lambda one: self._asked(one.url))
        page.on("console", lambda one: self._said(one.type, one.text))
        page.on("pageerror", lambda one: self._said("error", str(one)))
        page.goto(self.site.path(path))
        return page

    def _asked(self, url: str) -> None:
        if not url.startswith(self.address):
            self.foreign.append(url)

    def _said(self, kind: str, words: str) -> None:
        if kind in ("error", "warning") and "Failed to load resource" not in words:
            self.complaints.append(words)


@contextmanager
def desk_at(chromium: Chromium, template: Path, folder: Path) -> Iterator[Desk]:
    """A console of its own. Fails when a page asked another host, or did what its own policy forbids."""
    store = copied(template, folder / "store.sqlite")
    site = site_over(store, folder)
    with serving(site.app) as address, ExitStack() as contexts:
        desk = Desk(chromium, site, address, contexts)
        yield desk
    store.close()
    assert not desk.foreign
    assert not desk.complaints


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    with browsing() as browser:
        yield browser


@pytest.fixture
def desk(chromium: Chromium, template: Path, tmp_path: Path) -> Iterator[Desk]:
    """For tests that change something."""
    with desk_at(chromium, template, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def window(chromium: Chromium, template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """For tests that only look."""
    with desk_at(chromium, template, tmp_path_factory.mktemp("window")) as found:
        yield found

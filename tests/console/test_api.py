"""The JSON API does what its description says, whatever is sent to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings

from console.access.permissions import Role
from console.storage.engine import Store, open_store
from models.alert import Alert
from tests.console.browsing import HOME, Browser, add_account
from tests.console.site import Site, site_over


@pytest.fixture(scope="module")
def console(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    folder = tmp_path_factory.mktemp("api")
    shutil.copyfile(template, folder / "console.sqlite")
    store = open_store(f"sqlite:///{folder}/console.sqlite", migrate=False)
    site = site_over(store, folder)
    add_account(site.app, "supervisor-1", Role.SUPERVISOR, Role.ANALYST, Role.ADMINISTRATOR)
    yield site.app
    store.close()


def test_every_route_answers_as_described(console: FastAPI) -> None:
    """Schemathesis makes the requests, right and wrong ones, and judges the answers."""
    # Dear to import, and every process of `make test` imports this file.
    import schemathesis
    from schemathesis.core.result import Ok
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    schema = schemathesis.openapi.from_asgi("/api/openapi.json", console, headers={"host": "127.0.0.1"})
    browser = Browser(console).enter("supervisor-1")
    token = browser.get("/api/account").json()["csrf_token"]
    cookie = {"cookie": f"probewatch-session={browser.token}", "X-CSRF-Token": token}
    tried = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(max_examples=15, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def agrees(case: Any) -> None:
            nonlocal tried
            tried += 1
            # What stands in the schema may be refused: that a place in a list exists no schema can say.
            case.call_and_validate(base_url=HOME, headers=cookie, excluded_checks=[positive_data_acceptance])

        agrees()
    assert tried


def test_the_description_names_every_route_and_no_page(console: FastAPI) -> None:
    paths = Browser(console).get("/api/openapi.json").json()["paths"]
    assert "/api/account" in paths
    assert all(path.startswith("/api/") for path in paths)


def test_the_api_says_who_one_is(console: FastAPI) -> None:
    assert Browser(console).get("/api/account").status_code == 401
    answer = Browser(console).enter("supervisor-1").get("/api/account").json()
    assert answer["name"] == "supervisor-1"
    assert "MANAGE_ACCOUNTS" in answer["permissions"] and "WORK" in answer["permissions"]


@pytest.fixture
def site(store: Store, tmp_path: Path) -> Site:
    return site_over(store, tmp_path)


def taken(browser: Browser, alert_id: str, **wish: object) -> Any:
    token = browser.get("/api/account").json()["csrf_token"]
    return browser.post(f"/api/alerts/{alert_id}/decisions", json=wish, headers={"X-CSRF-Token": token})


def test_programs_read_every_waiting_alert_page_by_page(site: Site) -> None:
    browser = site.person(Role.VIEWER)
    found, after = [], ""
    while True:
        answer = browser.get(f"/api/alerts?after={after}").json()
        found += [one["alert"] for incident in answer["incidents"] for one in incident["alerts"]]
        if answer["following"] is None:
            break
        after = answer["following"]
    last = {one.alert_id: one for one in site.alerts}
    standing = {name for name, one in last.items() if one.status != "withdrawn"}
    assert {one["alert_id"] for one in found} == standing
    for one in found:
        assert msgspec.convert(one, Alert) == last[one["alert_id"]], "the very record of the topic"


def test_the_same_filters_as_on_the_page(site: Site) -> None:
    browser = site.person(Role.VIEWER)
    answer = browser.get("/api/alerts?severity=critical&detector=risk").json()
    told = [one["alert"] for incident in answer["incidents"] for one in incident["alerts"]]
    assert told and {(one["severity"], one["detector"]) for one in told} == {("critical", "risk")}
    assert browser.get("/api/alerts?after=nonsense").status_code == 404


def test_programs_decide_as_people_do(site: Site) -> None:
    alert_id = site.path("alert:volume").rpartition("/")[2]
    first, second = (site.person(Role.REVIEWER, name=name) for name in ("reviewer-1", "reviewer-2"))
    answer = taken(first, alert_id, action="acknowledge")
    assert answer.status_code == 201 and answer.json()["alert"]["work"]["state"] == "acknowledged"
    assert taken(first, alert_id, action="dispose").status_code == 409
    dispose = {"action": "dispose", "disposition": "explained", "text": "a task force"}
    assert taken(first, alert_id, **dispose, looked_at=0).status_code == 409
    assert taken(first, alert_id, **dispose, looked_at=1).status_code == 201
    refused = taken(first, alert_id, action="confirm")
    assert refused.status_code == 409 and "second person" in refused.json()["error"]
    assert taken(second, alert_id, action="confirm").status_code == 201
    whole = second.get(f"/api/alerts/{alert_id}").json()
    assert whole["work"]["state"] == "closed"
    assert [one["action"] for one in whole["decided"]] == ["acknowledge", "dispose", "confirm"]
    incident = second.get(f"/api/incidents/{whole['work']['incident_id']}").json()
    assert alert_id in [one["alert"]["alert_id"] for one in incident["alerts"]]


def test_programs_need_the_role_and_the_token(site: Site) -> None:
    alert_id = site.path("alert:volume").rpartition("/")[2]
    reviewer = site.person(Role.REVIEWER)
    wish = {"action": "acknowledge"}
    assert reviewer.post(f"/api/alerts/{alert_id}/decisions", json=wish).status_code == 403
    assert taken(site.person(Role.VIEWER), alert_id, **wish).status_code == 403
    assert taken(reviewer, alert_id, action="assign", assignee="reviewer-2").status_code == 403
    assert taken(reviewer, alert_id, action="assign", assignee="reviewer-1").status_code == 201
    assert taken(reviewer, alert_id, action="comment", text="a\0b").status_code == 422
    assert taken(reviewer, alert_id, action="erase").status_code == 422
    assert taken(reviewer, "0" * 32, **wish).status_code == 404

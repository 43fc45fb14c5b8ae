"""Silences as Alertmanager's API has them: a server with a memory that can be taken away and be down."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from console.intake.taking import take_alerts
from console.silencing import Silencer
from console.storage.engine import Store
from console.storage.tables import DecisionRow, SilenceRow
from console.work.deciding import decide
from models.alert import Alert
from tests.console.alerts import alert

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
KEEP = timedelta(days=30)


class Alertmanager(ThreadingHTTPServer):
    """The part of its API that is about silences (v2)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.silences: dict[str, dict[str, Any]] = {}
        self.down = False
        self.refuses = ""
        """An alert of which it takes no silence."""
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def active(self) -> dict[str, tuple[str, str, str]]:
        """By alert: author, comment, end."""
        return {
            one["matchers"][0]["value"]: (one["createdBy"], one["comment"], one["endsAt"])
            for one in self.silences.values()
            if one["status"]["state"] == "active"
        }


class _Handler(BaseHTTPRequestHandler):
    server: Alertmanager

    def _answer(self, status: int, body: object = None) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self) -> None:
        self.server.requests += 1
        if self.server.down:
            return self._answer(503)
        self._answer(200, [{"id": key, **value} for key, value in self.server.silences.items()])

    def do_POST(self) -> None:
        self.server.requests += 1
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.down:
            return self._answer(503)
        if body["matchers"][0]["value"] == self.server.refuses:
            return self._answer(400, "bad silence")
        known = body.pop("id", None)
        if known is not None and known not in self.server.silences:
            return self._answer(404, "silence not found")
        if known is not None:
            self.server.silences[known]["status"] = {"state": "expired"}
        new = f"silence-{len(self.server.silences)}"
        self.server.silences[new] = {**body, "status": {"state": "active"}}
        self._answer(200, {"silenceID": new})

    def do_DELETE(self) -> None:
        self.server.requests += 1
        if self.server.down or self.path.endswith("stuck"):
            return self._answer(500)
        silence = self.server.silences.get(self.path.rpartition("/")[2])
        if silence is None:
            return self._answer(404)
        silence["status"] = {"state": "expired"}
        self._answer(200)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    server = Alertmanager()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def silencer(store: Store, alertmanager: Alertmanager, clock: Clock) -> Silencer:
    return Silencer(store, alertmanager.url, clock, KEEP)


Act = Callable[..., None]


@pytest.fixture
def act(store: Store, clock: Clock) -> Act:
    def act(about: Alert, action: Any, actor: str = "reviewer-1", **fields: Any) -> None:
        with store.writing() as session:
            decide(session, about.alert_id, action, actor, clock(), **fields)

    return act


def arrive(store: Store, *alerts: Alert) -> None:
    with store.writing() as session:
        take_alerts(session, alerts, NOW)


@pytest.fixture
def silent(store: Store, silencer: Silencer, act: Act) -> Alert:
    """An alert that somebody has explained."""
    one = alert(1)
    arrive(store, one)
    act(one, "dispose", disposition="explained", text="a large case")
    silencer.reconcile()
    return one


def test_what_is_closed_is_silent_in_the_name_of_who_closed_it(
    store: Store, alertmanager: Alertmanager, silencer: Silencer, act: Act
) -> None:
    closed, other = alert(1), alert(2)
    arrive(store, closed, other)
    silencer.reconcile()
    assert alertmanager.active() == {}
    act(closed, "dispose", disposition="explained", text="a large case")
    silencer.reconcile()
    assert alertmanager.active() == {
        closed.alert_id: ("reviewer-1", "explained: a large case", (NOW + KEEP).isoformat())
    }


def test_two_people_are_named_and_one_alone_silences_nothing(
    store: Store, alertmanager: Alertmanager, silencer: Silencer, act: Act
) -> None:
    grave = alert(1, severity="high")
    arrive(store, grave)
    act(grave, "dispose", disposition="false_alarm", text="wrong entry")
    silencer.reconcile()
    assert alertmanager.active() == {}
    act(grave, "confirm", "supervisor-1")
    silencer.reconcile()
    (author, comment, _) = alertmanager.active()[grave.alert_id]
    assert (author, comment) == ("reviewer-1", "false alarm, confirmed by supervisor-1: wrong entry")


def test_a_snooze_is_silent_until_it_ends(
    store: Store, alertmanager: Alertmanager, silencer: Silencer, act: Act, clock: Clock
) -> None:
    one, until = alert(1), NOW + timedelta(days=2)
    arrive(store, one)
    act(one, "snooze", until=until, text="waits for the roster")
    silencer.reconcile()
    assert alertmanager.active()[one.alert_id] == (
        "reviewer-1",
        "snoozed: waits for the roster",
        until.isoformat(),
    )
    clock.at = until + timedelta(seconds=1)
    silencer.reconcile()
    act(one, "snooze", until=until + timedelta(days=1), text="still")
    silencer.reconcile()
    assert alertmanager.active()[one.alert_id][1] == "snoozed: still"


def test_an_undo_ends_it(
    store: Store, alertmanager: Alertmanager, silencer: Silencer, act: Act, silent: Alert
) -> None:
    (told,) = _decisions(store)
    act(silent, "undo", undoes=told, text="was the wrong one")
    silencer.reconcile()
    assert alertmanager.active() == {}


@pytest.mark.usefixtures("silent")
def test_an_alert_that_grows_is_heard_again(
    store: Store, alertmanager: Alertmanager, silencer: Silencer
) -> None:
    arrive(store, alert(1, severity="critical", status="amended", evidence_count=40))
    silencer.reconcile()
    assert alertmanager.active() == {}


def test_while_alertmanager_is_down_nothing_is_lost(
    store: Store, alertmanager: Alertmanager, silencer: Silencer, act: Act
) -> None:
    several = [alert(number) for number in range(1, 6)]
    arrive(store, *several)
    alertmanager.down = True
    for one in several:
        act(one, "dispose", disposition="explained", text="a large case")
        with pytest.raises(httpx.HTTPError):
            silencer.reconcile()
    alertmanager.down = False
    silencer.reconcile()
    assert set(alertmanager.active()) == {one.alert_id for one in several}


def test_one_that_is_refused_does_not_hold_up_the_others(
    store: Store, alertmanager: Alertmanager, silencer: Silencer, act: Act
) -> None:
    several = [alert(number) for number in range(1, 5)]
    arrive(store, *several)
    for one in several:
        act(one, "dispose", disposition="explained", text="a large case")
    alertmanager.refuses = several[0].alert_id
    with pytest.raises(httpx.HTTPStatusError):
        silencer.reconcile()
    assert set(alertmanager.active()) == {one.alert_id for one in several[1:]}
    alertmanager.refuses = ""
    silencer.reconcile()
    assert set(alertmanager.active()) == {one.alert_id for one in several}


def test_a_silence_that_cannot_be_ended_is_not_forgotten(
    store: Store, alertmanager: Alertmanager, silencer: Silencer, act: Act, silent: Alert
) -> None:
    (known,) = alertmanager.silences
    alertmanager.silences["stuck"] = alertmanager.silences.pop(known)
    with store.writing() as session:
        session.get_one(SilenceRow, silent.alert_id).silence_id = "stuck"
    (told,) = _decisions(store)
    act(silent, "undo", undoes=told, text="was the wrong one")
    with pytest.raises(httpx.HTTPStatusError):
        silencer.reconcile()
    alertmanager.silences["stuck"]["status"] = {"state": "expired"}
    silencer.reconcile()
    with store.reading() as session:
        assert session.get(SilenceRow, silent.alert_id) is None


def test_a_silence_that_alertmanager_has_lost_comes_back(
    alertmanager: Alertmanager, silencer: Silencer, silent: Alert
) -> None:
    alertmanager.silences.clear()
    silencer.reconcile(check=True)
    assert set(alertmanager.active()) == {silent.alert_id}


@pytest.mark.usefixtures("silent")
def test_where_nothing_happened_nobody_is_asked(alertmanager: Alertmanager, silencer: Silencer) -> None:
    asked = alertmanager.requests
    for _ in range(5):
        silencer.reconcile()
    assert alertmanager.requests == asked


@pytest.mark.usefixtures("silent")
def test_a_restart_asks_for_nothing_twice(store: Store, alertmanager: Alertmanager, clock: Clock) -> None:
    Silencer(store, alertmanager.url, clock, KEEP).reconcile()
    assert len(alertmanager.silences) == 1


def _decisions(store: Store) -> list[str]:
    with store.reading() as session:
        return list(session.scalars(select(DecisionRow.decision_id)))

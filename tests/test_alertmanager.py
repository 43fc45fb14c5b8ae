"""Posting alerts: to a real HTTP server that fails on purpose, and to Alertmanager itself if it is here."""

import asyncio
import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from faust.types import TP

from models.alert import Alert, encode_alert
from models.stage import Record
from streams.active import MOST, Active
from streams.alertmanager import Notifier, alert_annotations, alert_labels
from streams.batches import Batch
from streams.notify import AlertRunner

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD = datetime(2020, 5, 31, 19, tzinfo=UTC)


def alert(number: int = 1, **changes: Any) -> Alert:
    plain = Alert(
        alert_id=f"{number:032x}", detector="requester_volume", kind="anomaly", entity_kind="requester",
        entity="p-secret-officer", agency_id="lapd", unit_id="hollywood", window_start=OLD, window_end=OLD,
        first_seen=OLD, decided_at=OLD, status="provisional", severity="high", p_value=3e-6, score=12.7,
        observed=9.0, expected=1.2, interval=(0.0, 4.0), clause=None, evidence=("e1", "e2"), evidence_count=9,
        explanation="9 cases in 7 days where 1.2 were expected", detector_version=1, config_digest="c",
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


class Server:
    """Answers with the planned statuses, then 200; remembers what it was sent."""

    def __init__(self) -> None:
        self.plan: list[tuple[int, dict[str, str]]] = []
        self.refuse: Callable[[list[dict[str, Any]]], bool] = lambda body: False
        self.down: Callable[[], bool] = lambda: False
        self.got: list[list[dict[str, Any]]] = []
        self.tries = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.tries += 1
        body = await request.json()
        if self.plan:
            status, headers = self.plan.pop(0)
            if status == 0:
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            return web.Response(status=status, text="planned failure", headers=headers)
        if self.down():
            return web.Response(status=503, text="down")
        if self.refuse(body):
            return web.Response(status=400, text="bad label set")
        self.got.append(body)
        return web.Response(status=200)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_post("/api/v2/alerts", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


@pytest.fixture
async def notifier(server: Server) -> AsyncIterator[Callable[..., Notifier]]:
    made: list[Notifier] = []

    def make(**settings: Any) -> Notifier:
        chosen: dict[str, Any] = {"first_pause": 0.001, "longest_pause": 0.01, "clock": lambda: NOW}
        made.append(Notifier(server.url, **(chosen | settings)))
        return made[-1]

    yield make
    for each in made:
        await each.close()


Make = Callable[..., Notifier]


async def test_server_errors_and_lost_connections_are_retried_until_accepted(
    server: Server, notifier: Make
) -> None:
    counted: list[tuple[str, int]] = []
    server.plan = [(500, {}), (503, {}), (0, {}), (429, {}), (502, {})]
    await notifier(observe=lambda *seen: counted.append(seen)).post([alert(1), alert(2)])
    assert server.tries == 6
    assert [item["labels"]["alert_id"] for item in server.got[0]] == [f"{1:032x}", f"{2:032x}"]
    assert counted == [("retried", 2)] * 5 + [("posted", 2)]


async def test_an_hour_without_alertmanager_loses_nothing_and_keeps_the_order(
    server: Server, notifier: Make
) -> None:
    passed = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    server.down = lambda: passed < 3600
    one = notifier(
        first_pause=0.5, longest_pause=60.0, sleep=sleep, clock=lambda: NOW + timedelta(seconds=passed)
    )
    active = Active(one.hold)
    target = AlertRunner(0, 0, one, active, resend_interval=1e6)
    meanwhile = [alert(1), alert(2), alert(1, status="withdrawn"), alert(3), alert(2, status="final")]
    for offset, found in enumerate(meanwhile):
        assert target.durable == offset, "not done before it is posted"
        await target.take(Batch(TP("alerts", 0), [Record(offset, encode_alert(found), None)], offset - 1))
    await target.close()
    told = [
        (item["labels"]["alert_id"], item["annotations"]["status"]) for body in server.got for item in body
    ]
    assert told == [(one.alert_id, one.status) for one in meanwhile]
    assert 3600 <= passed < 3660, "and tells all of it within a minute of the hour"
    assert server.tries > 60 + len(meanwhile)


async def test_retry_after_is_obeyed_up_to_the_longest_pause(server: Server, notifier: Make) -> None:
    server.plan = [(429, {"Retry-After": "3600"})]
    began = asyncio.get_running_loop().time()
    await notifier(longest_pause=0.2).post([alert()])
    assert 0.2 <= asyncio.get_running_loop().time() - began < 2


async def test_a_server_that_is_not_there_is_waited_for_and_posting_can_be_cancelled() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    waiting = Notifier(f"http://127.0.0.1:{port}", first_pause=0.001, longest_pause=0.01)
    posting = asyncio.create_task(waiting.post([alert()]))
    await asyncio.sleep(0.1)
    assert not posting.done()
    posting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await posting
    await waiting.close()


async def test_one_bad_alert_is_refused_alone_and_once(server: Server, notifier: Make) -> None:
    bad = f"{3:032x}"
    server.refuse = lambda body: any(item["labels"]["alert_id"] == bad for item in body)
    counted: list[tuple[str, int]] = []
    await notifier(observe=lambda *seen: counted.append(seen)).post([alert(number) for number in range(8)])
    arrived = {item["labels"]["alert_id"] for body in server.got for item in body}
    assert arrived == {f"{number:032x}" for number in range(8)} - {bad}
    assert sum(number for what, number in counted if what == "refused") == 1
    assert sum(number for what, number in counted if what == "posted") == 7


@pytest.mark.parametrize("status", [301, 401, 403, 404])
async def test_a_wrong_address_is_not_asked_for_ever(server: Server, notifier: Make, status: int) -> None:
    server.plan = [(status, {"Location": "/elsewhere"})] * 2
    await notifier().post([alert(1), alert(2)])
    assert server.tries == 1


async def test_batches_are_bounded_and_only_the_last_record_of_an_alert_counts(
    server: Server, notifier: Make
) -> None:
    records = [alert(number) for number in range(10)] + [alert(4, status="withdrawn")]
    await notifier(batch_size=4).post(records)
    assert [len(body) for body in server.got] == [4, 4, 2]
    fourth = server.got[1][0]
    assert (fourth["labels"]["alert_id"], fourth["annotations"]["status"]) == (f"{4:032x}", "withdrawn")


async def test_old_events_start_when_posted_and_recent_ones_when_first_seen(
    server: Server, notifier: Make
) -> None:
    recent, future = NOW - timedelta(hours=3), NOW + timedelta(hours=3)
    await notifier(hold=timedelta(days=2)).post(
        [alert(1), alert(2, first_seen=recent), alert(3, first_seen=future), alert(4, status="withdrawn")]
    )
    old, new, ahead, gone = server.got[0]
    assert datetime.fromisoformat(old["startsAt"]) == NOW
    assert datetime.fromisoformat(old["endsAt"]) == NOW + timedelta(days=2)
    assert old["annotations"]["first_seen"].startswith("2020-05-31T19:00:00")
    assert datetime.fromisoformat(new["startsAt"]) == recent
    assert datetime.fromisoformat(ahead["startsAt"]) == NOW
    assert datetime.fromisoformat(gone["endsAt"]) == NOW


async def test_an_amendment_that_changes_labels_ends_the_alert_under_the_old_ones(
    server: Server, notifier: Make
) -> None:
    one = notifier()
    await one.post([alert()])
    await one.post([alert(status="amended", severity="critical")])
    ended, current = server.got[1]
    assert (ended["labels"]["severity"], current["labels"]["severity"]) == ("high", "critical")
    assert datetime.fromisoformat(ended["endsAt"]) == NOW < datetime.fromisoformat(current["endsAt"])


async def test_labels_that_another_worker_posted_are_ended_too(server: Server, notifier: Make) -> None:
    one = notifier()
    one.remember([alert()])
    await one.post([alert(status="amended", severity="critical")])
    assert [item["labels"]["severity"] for item in server.got[0]] == ["high", "critical"]


async def test_what_stands_is_posted_again_with_its_first_times(server: Server, notifier: Make) -> None:
    counted: list[tuple[str, int]] = []
    one = notifier(hold=timedelta(days=2), observe=lambda *seen: counted.append(seen))
    active, hour = Active(one.hold), timedelta(hours=1)
    active.put([alert(1), alert(2), alert(3)], NOW - hour)
    active.put([alert(2, status="withdrawn"), alert(3, status="amended", severity="low")], NOW)
    await one.resend(active.due(NOW))
    assert [item["labels"]["alert_id"] for item in server.got[0]] == [f"{1:032x}", f"{3:032x}"]
    first = server.got[0][0]
    assert datetime.fromisoformat(first["startsAt"]) == NOW - hour
    assert datetime.fromisoformat(first["endsAt"]) == NOW - hour + timedelta(days=2)
    assert counted == [("resent", 2)]
    assert [found.alert_id for found, _ in active.due(NOW + timedelta(days=2) - hour)] == [f"{3:032x}"]
    assert active.due(NOW + timedelta(days=2)) == []


def test_the_alerts_of_the_last_days_are_recalled_and_memory_is_bounded() -> None:
    active, now = Active(timedelta(days=7)), datetime.now(UTC).timestamp()
    active.recall(encode_alert(alert(1)), now - 8 * 86_400)
    active.recall(encode_alert(alert(2)), now - 6 * 86_400)
    active.recall(encode_alert(alert(3)), now - 86_400)
    active.recall(encode_alert(alert(3, status="withdrawn")), now - 3600)
    active.recall(b"not an alert", now)
    assert [found.alert_id for found in active] == [f"{2:032x}"]
    active.put((alert(number) for number in range(MOST + 10)), datetime.now(UTC))
    assert len(list(active)) == MOST


@pytest.mark.parametrize("entity_kind", ["requester", "subject", "case"])
def test_no_label_names_a_person(entity_kind: str) -> None:
    flagged = alert(entity_kind=entity_kind, entity="p-secret-officer", unit_id=None)
    assert "p-secret-officer" not in json.dumps(alert_labels(flagged))
    assert set(alert_labels(flagged)) == {"alertname", "alert_id", "agency", "kind", "severity"}
    told = alert_annotations(flagged, "runbooks/{detector}")
    assert told["entity"] == "p-secret-officer"
    assert told["runbook"] == "runbooks/requester_volume"
    assert all(isinstance(value, str) and value for value in told.values())


@pytest.mark.parametrize("url", ["", "localhost:9093", "ftp://localhost", "http://"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ValueError, match="http://localhost:9093"):
        Notifier(url)


ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


@pytest.mark.skipif(
    ALERTMANAGER is None,
    reason="NOT TESTED against Alertmanager itself: no prometheus-alertmanager here (apt-get install it)",
)
async def test_alertmanager_itself_takes_changes_and_resolves(tmp_path: Path) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [str(ALERTMANAGER), f"--config.file={config}", f"--storage.path={tmp_path}/data",
         f"--web.listen-address={address}", "--cluster.listen-address="],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    real = Notifier(f"http://{address}", first_pause=0.05, longest_pause=0.2)
    try:
        await asyncio.wait_for(real.post([alert(1), alert(2)]), 20)
        active = await _active(address)
        assert {item["labels"]["alert_id"] for item in active} == {f"{1:032x}", f"{2:032x}"}
        assert all(item["status"]["state"] in ("active", "unprocessed") for item in active)
        in_a_week = datetime.now(UTC) + timedelta(days=6)
        assert all(datetime.fromisoformat(item["endsAt"]) > in_a_week for item in active)
        await real.post([alert(1, status="amended", severity="low"), alert(2, status="withdrawn")])
        left = await _active(address)
        assert [(item["labels"]["alert_id"], item["labels"]["severity"]) for item in left] == [
            (f"{1:032x}", "low")
        ]
    finally:
        await real.close()
        process.terminate()
        process.wait(10)


def _active(address: str) -> Awaitable[list[dict[str, Any]]]:
    def ask() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://{address}/api/v2/alerts", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    return asyncio.to_thread(ask)

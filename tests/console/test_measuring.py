"""The console's figures: the same after a restart, bounded, and true."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from console.intake.taking import take_alerts
from console.measuring import COUNT_EVERY, Measuring, metrics_server
from console.storage.engine import Store
from console.work.deciding import decide
from streams import metrics
from streams.exits import Stop
from tests.console.alerts import AT, alert


class Clock:
    """Seconds that go on when told to."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    def clear() -> None:
        for series in (metrics.DECISIONS, metrics.ACKNOWLEDGED, metrics.DISPOSED, metrics.UNREAD):
            series.clear()

    clear()
    yield
    clear()


def measuring(store: Store, clock: Clock | None = None) -> Measuring:
    return Measuring(store, lambda: AT + timedelta(days=1), clock=clock or Clock())


def read(figures: Measuring) -> dict[str, float]:
    text = figures.exposition()[0].decode()
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "bucket" not in sample.name
    }


@pytest.fixture
def worked(store: Store) -> Store:
    hour = timedelta(hours=1)
    first, second, third = alert(1), alert(2, severity="high"), alert(3, detector="rare_tool")
    with store.writing() as session:
        take_alerts(session, [first, second, third], AT)
    with store.writing() as session:
        decide(session, first.alert_id, "acknowledge", "reviewer-1", AT + 2 * hour)
        decide(
            session,
            first.alert_id,
            "dispose",
            "reviewer-1",
            AT + 3 * hour,
            disposition="explained",
            text="large case",
        )
        decide(session, second.alert_id, "acknowledge", "reviewer-1", AT + 5 * hour)
        decide(
            session,
            second.alert_id,
            "dispose",
            "reviewer-1",
            AT + 6 * hour,
            disposition="confirmed",
            text="misuse",
        )
        decide(session, second.alert_id, "confirm", "supervisor-1", AT + 7 * hour)
    return store


def test_decisions_and_what_came_of_them_are_counted(worked: Store) -> None:
    found = read(measuring(worked))
    assert found["probewatch_decisions_total acknowledge"] == 2
    assert found["probewatch_decisions_total dispose"] == 2
    assert found["probewatch_decisions_total confirm"] == 1
    assert found["probewatch_acknowledge_seconds_count medium"] == 1
    assert found["probewatch_acknowledge_seconds_sum medium"] == 2 * 3600
    assert found["probewatch_acknowledge_seconds_sum high"] == 5 * 3600
    assert found["probewatch_disposed_alerts volume explained"] == 1
    assert found["probewatch_disposed_alerts volume confirmed"] == 1
    assert found["probewatch_work_alerts medium new"] == 1
    assert found["probewatch_decisions_waiting"] == 5
    assert found["probewatch_unread_seconds"] == 0


def test_the_age_of_the_oldest_grave_alert_that_nobody_took_up(worked: Store) -> None:
    with worked.writing() as session:
        take_alerts(session, [alert(7, severity="critical")], AT + timedelta(hours=20))
        take_alerts(session, [alert(8, severity="high")], AT + timedelta(hours=21))
    assert read(measuring(worked))["probewatch_unread_seconds"] == 4 * 3600


def test_nothing_is_counted_twice_and_a_restart_says_the_same(worked: Store) -> None:
    clock = Clock()
    figures = measuring(worked, clock)
    before = read(figures)
    clock.at += COUNT_EVERY
    assert read(figures) == before
    metrics.DECISIONS.clear()
    metrics.ACKNOWLEDGED.clear()
    assert read(measuring(worked, clock)) == before


def test_an_undo_takes_the_disposition_from_what_came_of_them(worked: Store) -> None:
    clock = Clock()
    figures = measuring(worked, clock)
    read(figures)
    with worked.writing() as session:
        last, _ = decide(
            session, alert(3).alert_id, "dispose", "reviewer-1", AT, disposition="explained", text="x"
        )
    with worked.writing() as session:
        decide(
            session, alert(3).alert_id, "undo", "reviewer-1", AT, undoes=last.decision_id, text="wrong one"
        )
    clock.at += COUNT_EVERY
    found = read(figures)
    assert "probewatch_disposed_alerts rare_tool explained" not in found
    assert found["probewatch_decisions_total undo"] == 1


def test_more_people_add_no_series(store: Store) -> None:
    figures = measuring(store, clock := Clock())
    with store.writing() as session:
        take_alerts(session, [alert(1)], AT)
    before = set(read(figures))
    with store.writing() as session:
        take_alerts(
            session,
            [alert(number, entity=f"r-{number}", unit_id=f"u-{number}") for number in range(2, 300)],
            AT,
        )
    clock.at += COUNT_EVERY
    assert set(read(figures)) == before


def test_prometheus_reads_it_at_an_address_of_its_own(worked: Store) -> None:
    server = metrics_server(measuring(worked), "127.0.0.1", 0)
    server.start()
    try:
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=5) as answer:
            assert b"probewatch_work_alerts" in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{server.url}/", timeout=5)
        with pytest.raises(Stop, match=r"Address already in use.*METRICS_PORT"):
            metrics_server(measuring(worked), "127.0.0.1", server.port)
    finally:
        server.stop()

"""Prometheus and Alertmanager themselves, with the files that are deployed. The tests follow one another as a
day of the operator would: an incident, an outage, a flow of searches, a worker that is killed."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from streams.dashboards import DASHBOARDS
from streams.dashboards.pictures import ask, picture
from streams.demo.stream import Feeding
from streams.demo.worker import ROOT
from tests.live import eventually
from tests.prometheus.servers import ALERTMANAGER, PROMETHEUS, active, query
from tests.prometheus.site import STAGED, Site

pytestmark = pytest.mark.prometheus
#: Alerts found while Alertmanager is down; two workers take eight batches ahead each.
WAITING = 40
RULES = sorted((ROOT / "config/prometheus/rules").glob("*.yml"))


def values(expr: str) -> list[float]:
    return [float(one["value"][1]) for one in query(expr)]


def staged(labels: dict[str, str]) -> bool:
    return labels.get("agency") == STAGED


def down(labels: dict[str, str]) -> bool:
    return labels["alertname"] == "ProbewatchWorkerDown"


def standing() -> set[str]:
    """Identities of staged alerts that are active in Alertmanager."""
    return {name for name, one in active().items() if staged(one["labels"])}


def exported(port: int, series: str) -> dict[str, float]:
    """A series of a worker, by its labels as they are written."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    found = re.findall(rf"^{series}{{(.*)}} (\S+)$", page, re.MULTILINE)
    return {labels: float(number) for labels, number in found}


def counted(port: int) -> str:
    """Outcomes of posting that a worker has counted."""
    outcomes = exported(port, "probewatch_alertmanager_alerts_total").items()
    return " ".join(labels for labels, number in outcomes if number > 0)


def written() -> float:
    """Records of staged alerts that the workers have written."""
    mine = f'agency="{STAGED}"'
    series = "probewatch_alerts_total"
    return sum(
        number for port in (6066, 6067) for labels, number in exported(port, series).items() if mine in labels
    )


def test_an_incident_reaches_the_webhook_within_seconds(running: Site) -> None:
    began = time.monotonic()
    running.stage("first")
    eventually(lambda: bool(standing()), "the incident is in Alertmanager", 10)
    eventually(lambda: bool(running.webhook.alerts(staged)), "the overseers are told", 25)
    assert time.monotonic() - began < 30
    told = running.webhook.alerts(staged)
    assert {alert["labels"]["alertname"] for alert in told} == {"policy_clause"}
    assert "officer-first" not in json.dumps([alert["labels"] for alert in told])
    groups = [
        one["groupKey"]
        for one in running.webhook.notifications
        if one["commonLabels"].get("agency") == STAGED
    ]
    assert len(groups) == 1, "one incident, one notification"


def test_what_is_found_while_alertmanager_is_down_is_told_afterwards(running: Site) -> None:
    """Alertmanager forgets its alerts when it stops: those from before come again too. Meanwhile searches are
    judged, also when more alerts wait than an agent takes ahead."""
    before, found = standing(), written()
    running.stop_alertmanager()
    for number in range(WAITING):
        running.stage(f"second-{number}")
        time.sleep(0.1)
    eventually(lambda: written() == found + WAITING, "they are judged though nobody can be told", 30)
    eventually(lambda: "retried" in counted(6066) + counted(6067), "it is tried", 20)
    running.start_alertmanager()
    eventually(lambda: len(standing()) == len(before) + WAITING, "what was found meanwhile", 60)
    eventually(lambda: before <= standing(), "what stood before", 20)


def test_what_staff_close_or_let_rest_is_silent_in_their_name(running: Site) -> None:
    closed, resting = running.decide()

    def silences() -> dict[str, tuple[str, str]]:
        with urllib.request.urlopen(f"{ALERTMANAGER}/api/v2/silences", timeout=5) as answer:
            found = json.load(answer)
        return {
            one["matchers"][0]["value"]: (one["createdBy"], one["comment"])
            for one in found
            if one["status"]["state"] == "active"
        }

    eventually(lambda: {closed, resting} <= silences().keys(), "silences of both", 20)
    assert silences()[resting] == ("reviewer-1", "snoozed: later")
    assert silences()[closed][0] == "reviewer-1"
    eventually(
        lambda: all(active()[one]["status"]["state"] == "suppressed" for one in (closed, resting)),
        "neither notifies anybody",
        20,
    )


@pytest.fixture(scope="module")
def flowing(running: Site) -> Iterator[Feeding]:
    """The simulated years, flowing through both workers."""
    feeding = running.flow()
    yield feeding
    feeding.stop()


def test_prometheus_loads_every_rule_and_scrapes_both_workers(running: Site, flowing: Feeding) -> None:
    def healthy() -> bool:
        found = ask(PROMETHEUS, "targets", state="active")["activeTargets"]
        return len(found) >= 5 and all(one["health"] == "up" for one in found)

    eventually(healthy, "all targets are up", 40)
    jobs = [one["labels"]["job"] for one in ask(PROMETHEUS, "targets", state="active")["activeTargets"]]
    assert jobs.count("probewatch") == 2
    loaded = [rule["name"] for group in ask(PROMETHEUS, "rules")["groups"] for rule in group["rules"]]
    written = re.findall(r"- (?:alert|record): (\S+)", "".join(file.read_text() for file in RULES))
    assert sorted(loaded) == sorted(written)


@pytest.mark.parametrize("port", [6066, 8081], ids=["worker", "console"])
def test_the_series_are_well_formed_in_both_formats(running: Site, flowing: Feeding, port: int) -> None:
    for accept in ("text/plain", "application/openmetrics-text;version=1.0.0"):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=5) as answer:
            page, kind = answer.read(), answer.headers["Content-Type"]
        assert kind.startswith(accept.split(";")[0]) and b"probewatch_build_info{" in page
        if accept == "text/plain":
            done = subprocess.run(
                ["promtool", "check", "metrics"], input=page, capture_output=True, timeout=30, check=False
            )
            assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_a_worker_is_killed_while_searches_flow(running: Site, flowing: Feeding) -> None:
    """What follows of it is looked at in the tests below; Prometheus waits a minute before it tells."""
    running.send(b"not json", b"{}")
    eventually(lambda: bool(values("sum(probewatch_searches_accepted_total) > 1000")), "a flow", 60)
    running.send(b"not json", b"{}")
    running.kill_second()
    assert running.worker_1.process.poll() is None


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.uid)
def test_every_query_of_every_panel_returns_data(running: Site, flowing: Feeding, dashboard: Any) -> None:
    eventually(lambda: not flowing.going, "all searches are sent", 150)
    assert flowing.error is None

    def silent() -> list[str]:
        return [
            f"{panel.title}: {one.expr}"
            for panel in dashboard.panels
            for one in panel.queries
            if not any(math.isfinite(value) for value in values(one.expr))
        ]

    # On a busy machine the workers are behind what was sent.
    eventually(lambda: not silent(), f"data for {silent()}", 180)
    assert picture(dashboard, PROMETHEUS, 120).count("no data") == 0


def test_the_killed_workers_alerts_are_kept_active_by_the_other(running: Site, flowing: Feeding) -> None:
    """It reads them back from the topic; what it shows as open is what is active in Alertmanager."""

    def same() -> bool:
        there = [one for one in active().values() if "alert_id" in one["labels"]]
        return values("sum(probewatch_open_alerts)") == [len(there)]

    eventually(same, "as many open alerts as are active", 60)


def test_every_record_was_accounted_for_all_the_time(running: Site, flowing: Feeding) -> None:
    assert set(values("max_over_time(probewatch:unaccounted:records[10m])")) == {0.0}
    assert set(values("min_over_time(probewatch:unaccounted:records[10m])")) == {0.0}


def test_a_count_of_alerts_leads_to_an_alert(running: Site, flowing: Feeding) -> None:
    now = time.time()
    found = ask(PROMETHEUS, "query_exemplars", query="probewatch_alerts_total", start=now - 600, end=now)
    ids = {one["labels"]["alert_id"] for series in found for one in series["exemplars"]}
    assert ids and all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)


def test_every_line_of_the_log_about_an_alert_names_it_and_its_batch(running: Site, flowing: Feeding) -> None:
    lines = [
        json.loads(line)
        for log in running.folder.glob("worker-*.log")
        for line in log.read_text().splitlines()
        if line.startswith("{")
    ]
    alerts = [line for line in lines if line["event"] == "alert"]
    assert alerts and all(re.fullmatch(r"(ingest|watch)-\d+-\d+", line["batch"]) for line in alerts)
    posted = {line["alert_id"] for line in lines if line["event"] == "alert posted"}
    assert posted and posted <= {line["alert_id"] for line in alerts}


def test_the_killed_worker_is_told_and_resolved_when_it_is_back(running: Site, flowing: Feeding) -> None:
    told = running.webhook.alerts
    eventually(lambda: bool(told(down)), "operations are told of the worker", 150)
    (alert,) = {one["labels"]["instance"]: one for one in told(down)}.values()
    assert alert["labels"]["instance"] == "worker-2:6067"
    page = ROOT / alert["annotations"]["runbook_url"]
    assert "ProbewatchWorkerDown" in page.read_text()
    running.start_second()
    eventually(lambda: bool(told(down, "resolved")), "and that it is back", 120)


def test_nothing_but_that_was_told_to_operations(running: Site, flowing: Feeding) -> None:
    """Two years in a minute and a killed worker are no reason to wake anybody for anything else."""
    names = {one["labels"]["alertname"] for one in running.webhook.alerts(lambda labels: "team" in labels)}
    severe = {
        rule["alert"]
        for file in RULES
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if rule.get("labels", {}).get("severity") == "critical"
    }
    assert names & severe <= {"ProbewatchWorkerDown", "ProbewatchDelayBudgetBurning"}

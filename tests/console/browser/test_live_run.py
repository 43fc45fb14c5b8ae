"""The whole way in a real browser, over a run as users have it: a simulated city, Kafka, worker, console."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from models.alert import Alert, decode_alert
from models.detectors import settings_types
from models.ticking import Ticker
from streams.broker import EmbeddedBroker
from streams.commands.config import SHIPPED
from streams.configuration import load
from streams.demo.oversight import Oversight, overseeing
from streams.demo.worker import free_port, wait_until_ready
from streams.produce import Outgoing, outgoing
from streams.stages import pipeline
from streams.survey import survey
from streams.topics import kafka_name, partition_of
from tests.console.browser.deciding import decide
from tests.live import Live, command, eventually

pytestmark = pytest.mark.browser

#: An alert is on an open page within so many seconds after it is on Kafka: the middle one of so many alerts.
SOON, ALERTS = 2.0, 3
#: Messages that are sent together.
STRETCH = 50


class Moment(NamedTuple):
    """A stretch of the log in which an alert is told for the first time."""

    begin: int
    end: int
    alert: Alert


class Run:
    """A year of a small city, most of it judged already; the rest is for the tests to send."""

    def __init__(
        self, live: Live, oversight: Oversight, log: Sequence[Outgoing], moments: list[Moment]
    ) -> None:
        self.live, self.oversight, self.moments = live, oversight, moments
        self._log, self._sent = log, 0
        self._topic = kafka_name(live.settings, "searches.raw")
        self._producer = KafkaProducer(bootstrap_servers=live.settings.brokers, linger_ms=20)
        self._alerts = KafkaConsumer(bootstrap_servers=live.settings.brokers, fetch_max_wait_ms=10)
        topic = kafka_name(live.settings, "alerts")
        places = [
            TopicPartition(topic, one) for one in sorted(self._alerts.partitions_for_topic(topic) or ())
        ]
        self._alerts.assign(places)
        self._alerts.seek_to_beginning(*places)

    def send(self, upto: int) -> None:
        """Send the log up to a place."""
        for one in self._log[self._sent : upto]:
            partition = partition_of(one.key, self.live.settings.partitions)
            self._producer.send(self._topic, key=one.key, value=one.value, partition=partition)
        self._producer.flush()
        self._sent = upto

    def arrival(self, alert_id: str, seconds: float = 60.0) -> float:
        """The moment at which an alert came by on Kafka, of the monotonic clock."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for records in self._alerts.poll(20).values():
                if any(one.value and decode_alert(one.value).alert_id == alert_id for one in records):
                    return time.monotonic()
        raise AssertionError(f"{alert_id} is not on Kafka after {seconds:g} s")

    def close(self) -> None:
        """Let go of Kafka."""
        self._producer.close()
        self._alerts.close()


def moments_of(live: Live, log: Sequence[Outgoing]) -> list[Moment]:
    """When a single thread that reads the log tells first what is so severe that it takes two people."""
    oracle = pipeline(live.settings, load(live.config, SHIPPED, settings_types()))
    found: dict[str, Moment] = {}
    for begin in range(0, len(log), STRETCH):
        end = min(begin + STRETCH, len(log))
        for said in oracle.feed(one.value for one in log[begin:end]):
            if said.topic == "alerts" and said.value:
                alert = decode_alert(said.value)
                if alert.alert_id not in found or found[alert.alert_id].begin == begin:
                    found[alert.alert_id] = Moment(begin, end, alert)
    return [
        one
        for one in found.values()
        if one.alert.kind == "anomaly" and one.alert.interval and one.alert.severity in ("high", "critical")
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("live-run")
    city = folder / "city"
    done = command("simulate", "--scale", "5k", "--years", "1", "--seed", "7", "--out", city)
    assert done.returncode == 0, done.stderr
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker())
        live = Live(broker.url, "run", folder)
        live.config = city
        live.environment |= {"PROBEWATCH_CONFIG_DIR": str(city), "PROBEWATCH_CHECKPOINT_INTERVAL": "5"}
        events = city / "events.jsonl"
        log = list(outgoing([events], Ticker(sources=survey([events]).sources)))
        moments = moments_of(live, log)[-ALERTS:]
        worker = stack.enter_context(live.worker(free_port()))
        wait_until_ready(worker, 40)
        oversight = stack.enter_context(overseeing(live.environment, folder, 0))
        made = Run(live, oversight, log, moments)
        stack.callback(made.close)
        made.send(moments[0].begin)
        searches = sum(one.line > 0 for one in log[: moments[0].begin])
        eventually(
            lambda: worker.figures().get("probewatch_searches_judged_total", 0) >= searches,
            f"{searches} searches judged; the log is {worker.log}",
        )
        yield made


@pytest.fixture
def people(chromium: Chromium, run: Run) -> Iterator[tuple[Page, Page]]:
    """A reviewer and a supervisor, who have logged in by the form and look at the inbox."""
    with ExitStack() as contexts:
        pages = []
        for name in ("reviewer", "supervisor"):
            context = chromium.new_context(base_url=run.oversight.address, accept_downloads=True)
            contexts.callback(context.close)
            page = context.new_page()
            page.goto("/login")
            page.get_by_label("Name").fill(name)
            page.get_by_label("Password").fill(run.oversight.password)
            page.get_by_role("button", name="Log in").click()
            page.goto("/inbox")
            pages.append(page)
        yield pages[0], pages[1]


def saved(page: Page, role: Literal["button", "link"], name: str, file: Path) -> Path:
    """What a link or button gives to save."""
    with page.expect_download() as download:
        page.get_by_role(role, name=name).click()
    download.value.save_as(file)
    return file


def test_from_a_search_on_kafka_to_an_evidence_bundle(
    run: Run, people: tuple[Page, Page], tmp_path: Path
) -> None:
    reviewer, supervisor = people
    reviewer.evaluate("window.same = true")
    waited = []
    for moment in run.moments:
        place = reviewer.locator(f"#open-{moment.alert.alert_id}")
        expect(place).to_have_count(0)
        run.send(moment.end)
        there = run.arrival(moment.alert.alert_id)
        expect(place).to_have_count(1, timeout=30_000)
        waited.append(time.monotonic() - there)
    assert statistics.median(waited) < SOON, waited
    assert reviewer.evaluate("window.same"), "the page was never loaded again"

    alert = run.moments[-1].alert
    reviewer.locator(f"#open-{alert.alert_id}").click()
    decide(reviewer, supervisor, alert)
    expect(supervisor.locator("#work")).to_contain_text("reviewer and supervisor")

    bundle = saved(supervisor, "button", "Export as a bundle", tmp_path / "bundle.json")
    supervisor.goto(f"/ledger?ledger.alert={alert.alert_id}")
    expect(supervisor.locator("#table-ledger")).to_contain_text("the captain could not say")
    ledger = saved(supervisor, "link", "Export for verification elsewhere", tmp_path / "ledger.jsonl")
    for file in (bundle, ledger):
        done = command("ledger", "verify", file)
        assert done.returncode == 0, done.stderr + done.stdout
        spoiled = tmp_path / f"spoiled-{file.name}"
        spoiled.write_bytes(re.sub(rb"could not say", rb"would not say", file.read_bytes()))
        assert spoiled.read_bytes() != file.read_bytes()
        assert command("ledger", "verify", spoiled).returncode == 1, f"a changed byte in {file.name}"

    def decided() -> bool:
        return any(b"could not say" in value for value in run.live.read("decisions").values())

    eventually(decided, "the decision on Kafka")

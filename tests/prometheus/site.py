"""What `docker compose up` would start, as processes: a broker, two workers, Prometheus, Alertmanager; and
the simulated police years that flow through it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from kafka import KafkaProducer
from sqlalchemy import select

from bench.simulator.generate import build, simulate
from console.storage.engine import open_store
from console.storage.tables import AlertRow
from console.work.deciding import decide
from streams.broker import EmbeddedBroker
from streams.demo.stream import Feeding
from streams.demo.worker import ROOT, Worker, child, running, wait_until_ready
from streams.produce import Pace
from streams.serving import read_pointer
from streams.settings import load_settings
from streams.survey import survey
from streams.topics import ensure
from tests.live import eventually
from tests.model_shop import STANZA, crown, open_shop
from tests.prometheus.servers import (
    ALERTMANAGER,
    Webhook,
    alertmanager,
    prometheus,
    require,
)

#: Seconds that the simulated years take.
FLOW = 75.0
#: An agency of its own for incidents that are staged now, so that they are a notification of their own.
STAGED = "staged-pd"


class Site:
    """All of it running. `worker_2` can be killed and started anew, Alertmanager stopped and started."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.place = folder / "simulated"
        simulate(build("demo", 0, 2), self.place, ROOT / "config")
        self._declare()
        shop = open_shop(folder / "shop")
        crown(shop, shop.forest, 0.0)
        crown(shop, shop.mixture, 0.0, only_shadow=True)
        broker = stack.enter_context(EmbeddedBroker())
        self.environment = {
            "PROBEWATCH_BROKER": broker.url,
            "PROBEWATCH_PARTITIONS": "4",
            "PROBEWATCH_TICKS": "off",
            "PROBEWATCH_SESSION_TIMEOUT": "6",
            "PROBEWATCH_CONFIG_DIR": str(self.place),
            "PROBEWATCH_DATA_DIR": str(folder / "data"),
            "PROBEWATCH_MODELS_DIR": str(shop.models),
            "PROBEWATCH_ALERTMANAGER_URL": ALERTMANAGER,
            "PROBEWATCH_ALERT_RESEND_INTERVAL": "3",
            "PROBEWATCH_LOG_FORMAT": "json",
        }
        known = {name[len("PROBEWATCH_") :].lower(): value for name, value in self.environment.items()}
        self.settings = load_settings(**known, topics_create=True)
        ensure(self.settings)
        self.webhook = Webhook()
        stack.callback(self.webhook.close)
        self.alertmanager = ExitStack()
        stack.callback(self.alertmanager.close)
        self.start_alertmanager()
        self.worker_1 = stack.enter_context(self._worker(6066))
        self.second = ExitStack()
        stack.callback(self.second.close)
        self.worker_2 = self.start_second()
        stack.enter_context(prometheus(folder))
        stack.enter_context(child(("console",), self._console(), folder / "console.log"))
        for worker in (self.worker_1, self.worker_2):
            wait_until_ready(worker, 60)
        self.producer = KafkaProducer(bootstrap_servers=self.settings.brokers)
        stack.callback(self.producer.close)

    def _declare(self) -> None:
        file = self.place / "agencies.yaml"
        listed = yaml.safe_load(file.read_text())["agencies"]
        listed.append({**listed[0], "agency_id": STAGED})
        file.write_text(json.dumps({"agencies": listed}))  # which is YAML too
        detectors = yaml.safe_load((ROOT / "config/detectors.yaml").read_text())
        detectors["detectors"][STANZA]["enabled"] = True
        (self.place / "detectors.yaml").write_text(json.dumps(detectors))

    def _worker(self, port: int) -> AbstractContextManager[Worker]:
        return running(self.environment, port, self.folder / f"worker-{port}-{time.monotonic():.0f}.log")

    def _console(self) -> dict[str, str]:
        """The console's settings: metrics where the deployed Prometheus looks for them."""
        return {
            **self.environment,
            "PROBEWATCH_CONSOLE_DATABASE": self.database,
            "PROBEWATCH_CONSOLE_SECRET_FILE": str(self.folder / "console.secret"),
            "PROBEWATCH_CONSOLE_PORT": "8080",
        }

    @property
    def database(self) -> str:
        """The console's records."""
        return f"sqlite:///{self.folder}/console.sqlite"

    def decide(self) -> tuple[str, str]:
        """Once the staged alerts are in the console, close one and let another rest; their ids."""
        store = open_store(self.database, migrate=False)
        asked = select(AlertRow.alert_id).where(AlertRow.agency_id == STAGED).order_by(AlertRow.alert_id)

        def arrived() -> list[str]:
            with store.reading() as session:
                return list(session.scalars(asked))

        eventually(lambda: len(arrived()) > 1, "two staged alerts are in the console", 60)
        closed, resting, *_ = arrived()
        now = datetime.now(UTC)
        with store.writing() as session:
            decide(session, closed, "acknowledge", "reviewer-1", now)
            decide(session, closed, "dispose", "reviewer-1", now, disposition="explained", text="a test")
            if session.get_one(AlertRow, closed).work_state == "proposed":
                decide(session, closed, "confirm", "supervisor-1", now)
            decide(
                session, resting, "snooze", "reviewer-1", now, until=now + timedelta(hours=1), text="later"
            )
        store.close()
        return closed, resting

    def start_second(self) -> Worker:
        """Start the second worker."""
        self.worker_2 = self.second.enter_context(self._worker(6067))
        return self.worker_2

    def kill_second(self) -> None:
        """Kill it without a word."""
        self.worker_2.process.kill()
        self.second.close()

    def start_alertmanager(self) -> None:
        """Start Alertmanager; it knows no alert."""
        self.alertmanager.enter_context(alertmanager(self.folder, self.webhook.url))

    def stop_alertmanager(self) -> None:
        """Stop it."""
        self.alertmanager.close()

    def flow(self, pace: Pace | None = None) -> Feeding:
        """Begin to send the simulated years, evenly if nothing else is said."""
        file = self.place / "events.jsonl"
        # One model judges and another is in shadow: they were trained on another log, and so they drift.
        models = read_pointer(self.settings.models_dir)
        feeding = Feeding(self.settings, file, survey([file]), FLOW, models)
        feeding.pace = pace or feeding.pace
        self._stack.callback(feeding.stop)
        feeding.start()
        return feeding

    def send(self, *values: bytes) -> None:
        """Send messages to searches.raw."""
        for value in values:
            self.producer.send("searches.raw", value, key=b"staged")
        self.producer.flush(10)

    def stage(self, event_id: str) -> None:
        """A search, now, in a tool that nobody approved."""
        first = json.loads((self.place / "events.jsonl").open().readline())
        changed = {
            "event_id": event_id, "event_time": datetime.now(UTC).isoformat(), "source_id": "staged",
            "agency_id": STAGED, "tool": "Clearview AI", "requester_id": f"officer-{event_id}",
            "source_sequence": None,
        }  # fmt: skip
        self.send(json.dumps({**first, **changed}).encode())


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A running site. Raises ServersMissing."""
    require()
    with ExitStack() as stack:
        yield Site(folder, stack)

"""The two streams of the demo: searches going in at a pace, alerts coming out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from kafka import KafkaConsumer

from models.alert import Alert, decode_alert
from models.serving import Statement
from models.ticking import Ticker
from streams.produce import Delivery, Outgoing, Pace, Sender, connect, outgoing, pump
from streams.settings import Settings
from streams.survey import Survey


class Feeding:
    """Sends a file of searches in a thread of its own, in `seconds` as far as the broker allows."""

    def __init__(
        self,
        settings: Settings,
        file: Path,
        found: Survey,
        seconds: float,
        models: Sequence[Statement] = (),
    ) -> None:
        """`models` are the statements that its ticks carry."""
        spans = found.sources.values()
        length = max(span.last for span in spans) - min(span.first for span in spans)
        self.total = found.lines
        self.delivery = Delivery()
        self.error: BaseException | None = None
        self.now: float | None = None
        """Event time reached, epoch seconds."""
        self._stop = threading.Event()
        self._settings, self._file, self._found = settings, file, found
        self._models = tuple(models)
        self.pace = Pace(speed=length / seconds)
        self._thread = threading.Thread(target=self._run, name="feeding", daemon=True)

    @property
    def going(self) -> bool:
        """Whether there is more to send."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        try:
            producer = connect(self._settings.connection(), "searches.raw")
            ticker = Ticker(sources=self._found.sources, models=self._models)
            try:
                with Sender(producer, "searches.raw", self._file.with_suffix(".unsent")) as sender:
                    self.delivery = sender.delivery
                    for _ in pump(self._until_stopped(ticker), sender, self.pace, ticker):
                        self.now = ticker.now
            finally:
                producer.close(timeout=5)
        except BaseException as error:
            self.error = error

    def _until_stopped(self, ticker: Ticker) -> Iterator[Outgoing]:
        for item in outgoing([self._file], ticker):
            if self._stop.is_set():
                return
            yield item


class Listening:
    """Reads the alerts topic from its beginning; `standing` has the last record of each alert."""

    def __init__(self, settings: Settings) -> None:
        self.standing: dict[str, Alert] = {}
        self.stream: list[Alert] = []
        self._consumer = KafkaConsumer(
            "alerts", **settings.connection(), auto_offset_reset="earliest", enable_auto_commit=False
        )

    def poll(self, seconds: float) -> list[tuple[Alert, Alert | None]]:
        """Alerts that came within `seconds`, each with what stood before under its id."""
        found = []
        deadline = time.monotonic() + seconds
        for records in self._consumer.poll(timeout_ms=int(seconds * 1000)).values():
            for record in records:
                alert = decode_alert(record.value)
                found.append((alert, self.standing.get(alert.alert_id)))
                self.standing[alert.alert_id] = alert
                self.stream.append(alert)
        if not found:
            time.sleep(max(0.0, min(0.05, deadline - time.monotonic())))
        return found

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()

"""Both stages chained in memory: what Kafka carries live, a list carries here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.alert import Alert, decode_alert, encode_alert
from models.ingest import IngestStage
from models.panel import Chosen, Panel
from models.pseudonym import Pseudonyms
from models.reference import Reference
from models.stage import Message, Output, Record
from models.watch import WatchStage


class Pipeline:
    """The whole way of a search, from raw bytes to alerts, in one thread.

    Feeding it the messages of `searches.raw` in order gives the alerts that live workers give.
    """

    def __init__(
        self,
        reference: Reference,
        chosen: Sequence[Chosen],
        config_digest: str,
        *,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        panel = Panel(chosen, reference)
        self.ingest = IngestStage(reference, panel.source, config_digest, pseudonyms=pseudonyms)
        self.watch = WatchStage(reference, panel.agency, config_digest)
        self.counts: dict[tuple[str, str], int] = {}
        self._offset = 0
        self._packs = 0

    @property
    def position(self) -> tuple[int, int]:
        """How many raw messages and packs have been read."""
        return self._offset, self._packs

    def resume(self, offset: int, packs: int) -> None:
        """Go on at a position, after the stages have been restored."""
        self._offset, self._packs = offset, packs

    def feed(self, values: Iterable[bytes]) -> list[Message]:
        """Take raw messages; returns the alerts, dead letters and late searches they cause."""
        records = []
        for value in values:
            records.append(Record(self._offset, value, None))
            self._offset += 1
        first = self.ingest.absorb(records)
        packs, said = [], []
        for message in first.messages:
            if message.topic == "searches":
                packs.append(Record(self._packs, message.value, None))
                self._packs += 1
            else:
                said.append(message)
        second = self.watch.absorb(packs)
        for output in (first, second):
            self._count(output)
        return said + second.messages

    def _count(self, output: Output) -> None:
        for key, number in output.counts.items():
            self.counts[key] = self.counts.get(key, 0) + number


class Standing:
    """What stands at the sink: for every alert id the last record, as a compacted topic keeps it."""

    def __init__(self) -> None:
        self._alerts: dict[str, Alert] = {}

    def take(self, messages: Iterable[Message]) -> list[Alert]:
        """Note the alerts among some messages and return them."""
        alerts = [decode_alert(message.value) for message in messages if message.topic == "alerts"]
        self.put(alerts)
        return alerts

    def put(self, alerts: Iterable[Alert]) -> None:
        """Note alerts, later ones over earlier ones."""
        self._alerts.update((alert.alert_id, alert) for alert in alerts)

    def alerts(self, *, withdrawn: bool = False) -> list[Alert]:
        """By time of decision, then identity; withdrawn ones only when asked for."""
        kept = (alert for alert in self._alerts.values() if withdrawn or alert.status != "withdrawn")
        return sorted(kept, key=lambda alert: (alert.decided_at, alert.alert_id))

    def lines(self, *, withdrawn: bool = False) -> bytes:
        """The alerts as JSON lines; equal runs give equal bytes."""
        return b"".join(encode_alert(alert) + b"\n" for alert in self.alerts(withdrawn=withdrawn))

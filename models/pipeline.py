"""Both stages chained in memory: what Kafka carries live, a list carries here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from models.alert import Alert, decode_alert, encode_alert
from models.budget import BudgetSettings
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
        budget: BudgetSettings | None = None,
        owns: Callable[[str], bool] = lambda source_id: True,
    ) -> None:
        """`owns` tells of which declared sources the log is."""
        panel = Panel(chosen, reference)
        self.ingest = IngestStage(reference, panel.source, config_digest, pseudonyms=pseudonyms, owns=owns)
        self.watch = WatchStage(reference, panel.agency, config_digest, budget)
        self.counts: dict[tuple[str, str], int] = {}
        self._offset = 0
        self._packs = 0
        self._agencies: set[bytes] = set()

    @property
    def position(self) -> tuple[int, int]:
        """How many raw messages and packs have been read."""
        return self._offset, self._packs

    def resume(self, offset: int, packs: int) -> None:
        """Go on at a position, after the stages have been restored."""
        self._offset, self._packs = offset, packs

    def feed(self, values: Iterable[bytes]) -> list[Message]:
        """Take raw messages; returns the alerts, dead letters and late searches they cause."""
        packs, said = self.take(values)
        return said + self.noted(self.watch.absorb(packs))

    def take(self, values: Iterable[bytes]) -> tuple[list[Record], list[Message]]:
        """The first half of `feed`: packs for the watch stage, and what ingest says by itself."""
        records = []
        for value in values:
            records.append(Record(self._offset, value, None))
            self._offset += 1
        packs, said = [], []
        for message in self.noted(self.ingest.absorb(records)):
            if message.topic == "searches":
                packs.append(Record(self._packs, message.value, None))
                self._packs += 1
                self._agencies.add(message.key)
            else:
                said.append(message)
        return packs, said

    def noted(self, output: Output) -> list[Message]:
        """The messages of a stage, whose counts are added to the others."""
        for key, number in output.counts.items():
            self.counts[key] = self.counts.get(key, 0) + number
        return output.messages

    @property
    def agencies(self) -> list[str]:
        """The agencies seen so far, by id."""
        return sorted(key.decode() for key in self._agencies)


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

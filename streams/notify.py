"""The notify agent's end of the alerts: post them, and only then call them done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from models.alert import Alert, decode_alert
from streams import metrics
from streams.batches import Batch
from streams.exits import log

PostAlerts = Callable[[Sequence[Alert]], Awaitable[None]]


class AlertRunner:
    """One partition of the alerts. `post` returns once the alerts are accepted, however long that
    takes; without it alerts are only passed over."""

    agent = "notify"

    def __init__(self, partition: int, next_offset: int, post: PostAlerts | None) -> None:
        self.partition = partition
        self.durable = next_offset
        self._post = post
        self._closed = asyncio.Event()

    async def take(self, batch: Batch) -> None:
        """Post the batch; give it up, to be posted by a successor, when the partition is taken away."""
        if self._closed.is_set():
            return
        alerts = self._decode(batch)
        if alerts and self._post is not None and not await self._posted(self._post, alerts):
            return
        metrics.CONSUMED.labels(self.agent).inc(len(batch.records))
        metrics.BATCHES.labels(self.agent).inc()
        self.durable = batch.offset + 1

    async def _posted(self, post: PostAlerts, alerts: Sequence[Alert]) -> bool:
        posting = asyncio.ensure_future(post(alerts))
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((posting, closing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            done = posting.done()
            posting.cancel()
        if done:
            posting.result()
        return done

    def _decode(self, batch: Batch) -> list[Alert]:
        alerts = []
        for record in batch.records:
            if record.offset < self.durable or not record.value:
                continue
            try:
                alerts.append(decode_alert(record.value))
            except msgspec.MsgspecError as error:
                log.error("not an alert", partition=self.partition, offset=record.offset, reason=str(error))
        return alerts

    async def checkpoint(self, *, force: bool = False) -> None:
        """Nothing to write: posting is what makes an alert done."""

    async def close(self) -> None:
        """Give up what is being posted."""
        self._closed.set()

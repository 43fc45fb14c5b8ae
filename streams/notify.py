"""The notify agent's end of the alerts: post them, only then call them done, repeat them while they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from models.alert import Alert, decode_alert
from streams.active import Active
from streams.batches import Batch
from streams.counting import count_taken
from streams.exits import log


class Poster(Protocol):
    """What hands alerts over and returns once they are accepted, however long that takes."""

    async def post(self, alerts: Sequence[Alert]) -> None:
        """New records."""

    async def resend(self, posted: Sequence[tuple[Alert, datetime]]) -> None:
        """Records that were posted at these times."""


class AlertRunner:
    """One partition of the alerts. Without a `poster` they are only passed over. What is `active` is posted
    again every `resend_interval` seconds; `changed` is called whenever that may be something else."""

    agent = "notify"

    def __init__(
        self,
        partition: int,
        next_offset: int,
        poster: Poster | None,
        active: Active,
        *,
        resend_interval: float = 60.0,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.partition = partition
        self.durable = next_offset
        self._poster = poster
        self._active = active
        self._changed = changed
        self._closed = asyncio.Event()
        # An older record must not overtake a newer one.
        self._posting = asyncio.Lock()
        self._resending: asyncio.Task[None] | None = None
        if poster is not None:
            self._resending = asyncio.create_task(self._resend(poster, resend_interval))
            changed()

    async def take(self, batch: Batch) -> None:
        """Post the batch; give it up, to be posted by a successor, when the partition is taken away."""
        if self._closed.is_set():
            return
        alerts = self._decode(batch)
        if alerts and self._poster is not None:
            async with self._posting:
                if not await self._posted(self._poster.post(alerts)):
                    return
                self._active.put(alerts, datetime.now(UTC))
            self._changed()
            for alert in alerts:
                log.info(
                    "alert posted", alert_id=alert.alert_id, status=alert.status, partition=self.partition
                )
        count_taken(self.agent, len(batch.records))
        self.durable = batch.offset + 1

    async def _posted(self, post: Awaitable[None]) -> bool:
        posting = asyncio.ensure_future(post)
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

    async def _resend(self, poster: Poster, interval: float) -> None:
        """Post what is active again and again."""
        while not self._closed.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), interval)
            due = self._active.due(datetime.now(UTC))
            if due and not self._closed.is_set():
                async with self._posting:
                    await self._posted(poster.resend(due))
            self._changed()

    def _decode(self, batch: Batch) -> Sequence[Alert]:
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
        if self._resending is not None:
            await self._resending
            self._active.clear()
            self._changed()

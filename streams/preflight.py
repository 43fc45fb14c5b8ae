"""Before the worker starts: is there a broker, does it let us in, what does it allow and guarantee?

Each answer has its own consequence: wait, or end with a sentence that names the setting or the
permission, or go on and say which guarantee is missing.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    NoError,
    for_code,
)
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.transaction import InitProducerIdRequest

from streams.connecting import connect, refusal
from streams.exits import log
from streams.permissions import check_topics, explained
from streams.settings import PREFIX, Settings

#: Seconds between attempts: the first and the longest pause.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
#: How often a broker that gives no reason is asked for a producer id. Kafka may answer so while
#: it starts; the embedded broker always does.
ASK_UNKNOWN = 3


async def wait_for_broker(settings: Settings, stop: asyncio.Event) -> bool | None:
    """Wait until a broker answers: True if it can make writes idempotent, False if not.

    None when `stop` was set meanwhile.

    Raises:
        Stop: a broker answered, but refuses us, or does not allow what a worker must do.
    """
    pause = FIRST_PAUSE
    while not stop.is_set():
        idempotent, problem = await _first_answer(settings)
        if idempotent is not None:
            await asyncio.to_thread(check_topics, settings)
            return idempotent
        if pause == FIRST_PAUSE and problem:
            log.warning(
                f"no Kafka broker answers at {', '.join(settings.brokers)}; trying until one does"
                f" (is it running? is {PREFIX}BROKER right?)",
                reason=problem,
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
        pause = min(pause * 2, LONGEST_PAUSE)
    return None


async def _first_answer(settings: Settings) -> tuple[bool | None, str]:
    """Whether writes can be idempotent, or None and why no broker says; "" if one just started."""
    given, problem = settings.connection(), ""
    for server in settings.brokers:
        try:
            connection = await connect(server, given)
            try:
                await _may_join(connection, settings)
                return await _idempotent(connection, settings), ""
            finally:
                connection.close()
        except BrokerResponseError as error:
            log.info(f"Kafka at {server} is still starting", reason=type(error).__name__)
        except (KafkaError, OSError, TimeoutError) as error:
            if found := await refusal(server, given):
                raise found from None
            problem = f"{server}: {error or type(error).__name__}"
    return None, problem


async def _may_join(connection: AIOKafkaConnection, settings: Settings) -> None:
    """Raises Stop when the consumer group is not ours to read with."""
    # From nobody, so that it disturbs nobody; but whether we may is looked at first.
    answer = await connection.send(HeartbeatRequest(settings.group_id, -1, ""))
    if for_code(answer.error_code) is GroupAuthorizationFailedError:
        raise explained(GroupAuthorizationFailedError(), settings)


async def _idempotent(connection: AIOKafkaConnection, settings: Settings) -> bool:
    """Whether the broker hands out producer ids, without which it cannot tell a repeated write.

    Raises:
        KafkaError: it does, but not just now.
        Stop: we may not write.
    """
    for attempt in range(ASK_UNKNOWN):
        await asyncio.sleep(0.2 * attempt)
        answer = await connection.send(
            InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        )
        said = for_code(answer.error_code)
        if said is NoError:
            return True
        if said.retriable:
            raise said()
        if said is ClusterAuthorizationFailedError:
            raise explained(said(), settings)
    log.warning(
        "this broker gives no idempotent writes: when a confirmation is lost, a record is written twice in a"
        " row. Readers drop the repeat; for production use Apache Kafka",
        reason=said.__name__,
    )
    return False

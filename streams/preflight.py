"""Before the worker starts: is there a broker, does it let us in, and what does it guarantee?

Client libraries answer a missing broker, a wrong password and a wrong certificate with the same
endless retries. Here each gets its own answer: wait, or end with a sentence that names the setting.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)
from aiokafka.protocol.transaction import InitProducerIdRequest

from streams.exits import Stop, log
from streams.settings import PREFIX, Settings

#: Seconds between attempts: the first and the longest pause.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0


async def wait_for_broker(settings: Settings, stop: asyncio.Event) -> bool | None:
    """Wait until a broker answers: True if it can make writes idempotent, False if not.

    None when `stop` was set meanwhile.

    Raises:
        Stop: a broker answered, but refuses us.
    """
    pause = FIRST_PAUSE
    while not stop.is_set():
        connection, problem = await _first_answer(settings)
        if connection is not None:
            try:
                return await _idempotent(connection)
            finally:
                connection.close()
        if pause == FIRST_PAUSE:
            log.warning(
                f"no Kafka broker answers at {', '.join(settings.brokers)}; trying until one does"
                f" (is it running? is {PREFIX}BROKER right?)",
                reason=problem,
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
        pause = min(pause * 2, LONGEST_PAUSE)
    return None


async def _first_answer(settings: Settings) -> tuple[AIOKafkaConnection | None, str]:
    options: dict[str, Any] = settings.connection()
    problem = ""
    for server in options.pop("bootstrap_servers"):
        host, _, port = server.rpartition(":")
        try:
            return await create_conn(host.strip("[]"), int(port), request_timeout_ms=10_000, **options), ""
        except (SaslAuthenticationFailed, AuthenticationFailedError) as error:
            raise Stop(
                f"Kafka at {server} refuses the login of {settings.sasl_username!r}: {error}."
                f" See {PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD"
            ) from None
        except (
            UnsupportedSaslMechanismError,
            IllegalSaslStateError,
            AuthenticationMethodNotSupported,
        ) as error:
            raise Stop(
                f"Kafka at {server} does not take {PREFIX}SASL_MECHANISM={settings.sasl_mechanism}: {error}"
            ) from None
        except ssl.SSLError as error:
            raise Stop(
                f"no encrypted connection to Kafka at {server}: {error}. See {PREFIX}SSL_CAFILE"
            ) from None
        except (KafkaError, OSError, TimeoutError) as error:
            problem = f"{server}: {error or type(error).__name__}"
    return None, problem


async def _idempotent(connection: AIOKafkaConnection) -> bool:
    """Whether the broker hands out producer ids, without which it cannot tell a repeated write."""
    try:
        answer = await connection.send(
            InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        )
        problem = None if answer.error_code == 0 else for_code(answer.error_code).__name__
    except KafkaError as error:
        problem = repr(error)
    if problem is None:
        return True
    log.warning(
        "this broker gives no idempotent writes: when a confirmation is lost, a record is written twice in a"
        " row. Readers drop the repeat; for production use Apache Kafka",
        reason=problem,
    )
    return False

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
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    NoError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.transaction import InitProducerIdRequest

from streams.exits import Stop, log
from streams.permissions import explained, lacking, refused_login, refused_topics
from streams.settings import PREFIX, Settings

#: Seconds between attempts: the first and the longest pause.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
#: Seconds for an answer to a question.
ANSWER_WITHIN = 10.0
#: How often a broker that gives no reason is asked for a producer id. Kafka, just started, may
#: answer so once; the embedded broker always does.
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
            topics = await asyncio.to_thread(refused_topics, settings)
            if topics:
                raise lacking(settings, topics)
            return idempotent
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


async def _first_answer(settings: Settings) -> tuple[bool | None, str]:
    """Whether writes can be idempotent, or None and why no broker says."""
    problem = ""
    for server in settings.brokers:
        try:
            connection = await _connect(server, settings)
            try:
                await _may_join(connection, settings)
                return await _idempotent(connection, settings), ""
            finally:
                connection.close()
        except (KafkaError, OSError, TimeoutError) as error:
            await _ask_why(server, settings)
            problem = f"{server}: {error or type(error).__name__}"
    return None, problem


async def _connect(server: str, settings: Settings) -> AIOKafkaConnection:
    """An open connection, logged in. Raises Stop when the broker refuses us, and KafkaError."""
    options: dict[str, Any] = settings.connection()
    del options["bootstrap_servers"]
    try:
        return await create_conn(
            *_split(server), request_timeout_ms=int(ANSWER_WITHIN * 1000), client_id="probewatch", **options
        )
    except (SaslAuthenticationFailed, AuthenticationFailedError) as error:
        raise refused_login(settings, error, server) from None
    except (UnsupportedSaslMechanismError, IllegalSaslStateError, AuthenticationMethodNotSupported) as error:
        raise Stop(
            f"Kafka at {server} does not take {PREFIX}SASL_MECHANISM={settings.sasl_mechanism}: {error}"
        ) from None
    except ssl.SSLError as error:
        raise Stop(f"no encrypted connection to Kafka at {server}: {error}. See {PREFIX}SSL_CAFILE") from None


async def _ask_why(server: str, settings: Settings) -> None:
    """A broker that wants to be spoken to otherwise just hangs up: find out, in a new connection.

    Raises:
        Stop: it is there, but wants encryption or a login.
    """
    security = settings.security
    if not security.ssl_cafile and await _speaks_tls(server):
        raise Stop(f"Kafka at {server} wants an encrypted connection: set {PREFIX}SSL_CAFILE")
    if security.ssl_cafile and await _speaks_plainly(server):
        raise Stop(f"Kafka at {server} does not encrypt: unset {PREFIX}SSL_CAFILE, or take its TLS port")
    if not security.sasl_mechanism and (mechanisms := await _logins(server, settings)):
        raise Stop(
            f"Kafka at {server} wants a login: set {PREFIX}SASL_MECHANISM ({', '.join(mechanisms)}),"
            f" {PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD"
        )


async def _speaks_tls(server: str) -> bool:
    anyone = ssl.create_default_context()
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE  # nothing is sent: only whether it is TLS is asked
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            _, writer = await asyncio.open_connection(*_split(server), ssl=anyone)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _speaks_plainly(server: str) -> bool:
    try:
        (await create_conn(*_split(server), request_timeout_ms=int(ANSWER_WITHIN * 1000))).close()
    except (KafkaError, OSError, TimeoutError):
        return False
    return True


async def _logins(server: str, settings: Settings) -> list[str]:
    """The ways to log in that a listener offers; none where it wants no login, or nobody is there."""
    try:
        connection = await _connect(server, settings)
        try:
            answer = await connection.send(SaslHandShakeRequest("PLAIN"))
        finally:
            connection.close()
    except (KafkaError, OSError, TimeoutError):
        return []
    return [] if for_code(answer.error_code) is IllegalSaslStateError else sorted(answer.enabled_mechanisms)


async def _may_join(connection: AIOKafkaConnection, settings: Settings) -> None:
    """Raises Stop when the consumer group is not ours to read with."""
    # From nobody, so that it disturbs nobody; but whether we may is looked at first.
    answer = await connection.send(HeartbeatRequest(settings.group_id, -1, ""))
    if for_code(answer.error_code) is GroupAuthorizationFailedError:
        raise lacking(settings, [], group=True)


async def _idempotent(connection: AIOKafkaConnection, settings: Settings) -> bool:
    """Whether the broker hands out producer ids, without which it cannot tell a repeated write.

    Raises:
        KafkaError: it may, but cannot just now.
        Stop: we may not write.
    """
    for attempt in range(ASK_UNKNOWN):
        await asyncio.sleep(0.2 * attempt)
        answer = await connection.send(
            InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        )
        refusal = for_code(answer.error_code)
        if refusal is NoError:
            return True
        if refusal.retriable:
            raise refusal()
        if refusal is ClusterAuthorizationFailedError:
            raise explained(refusal(), settings)
    log.warning(
        "this broker gives no idempotent writes: when a confirmation is lost, a record is written twice in a"
        " row. Readers drop the repeat; for production use Apache Kafka",
        reason=refusal.__name__,
    )
    return False


def _split(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    return host.strip("[]"), int(port)

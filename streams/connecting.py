"""Opening a connection to a Kafka broker, and why a broker does not let us in.

Client libraries answer a missing broker, a wrong password and a wrong certificate with the same
endless retries or "unable to bootstrap". Here each refusal is a sentence that names the setting.
`connection` is everywhere what `Settings.connection` gives.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
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
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.exits import Stop
from streams.settings import PREFIX

#: Seconds for an answer, and for a broker to say that it misses our certificate.
ANSWER_WITHIN, MISSED_WITHIN = 10.0, 1.0


async def connect(server: str, connection: Mapping[str, Any]) -> AIOKafkaConnection:
    """An open connection to `HOST:PORT`, logged in.

    Raises:
        Stop: the broker refuses us, or our login, or we its certificate.
        KafkaError, OSError: there is no answer.
    """
    options = {name: value for name, value in connection.items() if name != "bootstrap_servers"}
    try:
        return await create_conn(*_split(server), request_timeout_ms=int(ANSWER_WITHIN * 1000), **options)
    except (SaslAuthenticationFailed, AuthenticationFailedError) as error:
        raise Stop(
            f"Kafka at {server} refuses the login of {connection['sasl_plain_username']!r}: {error}."
            f" See {PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD"
        ) from None
    except IllegalSaslStateError:
        raise Stop(f"Kafka at {server} wants no login: unset {PREFIX}SASL_MECHANISM") from None
    except (UnsupportedSaslMechanismError, AuthenticationMethodNotSupported) as error:
        mechanism = connection["sasl_mechanism"]
        raise Stop(f"Kafka at {server} does not take {PREFIX}SASL_MECHANISM={mechanism}: {error}") from None
    except ssl.SSLError as error:
        raise Stop(f"no encrypted connection to Kafka at {server}: {error}. See {PREFIX}SSL_CAFILE") from None


async def refusal(server: str, connection: Mapping[str, Any]) -> Stop | None:
    """Why a broker that is there hangs up on us, as far as it wants to be spoken to otherwise."""
    context = connection.get("ssl_context")
    if context is None:
        if await _speaks_tls(server):
            return Stop(f"Kafka at {server} wants an encrypted connection: set {PREFIX}SSL_CAFILE")
    elif await _speaks_plainly(server):
        return Stop(f"Kafka at {server} does not encrypt: unset {PREFIX}SSL_CAFILE, or take its TLS port")
    elif missed := await _missed_certificate(server, context):
        return Stop(f"Kafka at {server}: {missed}. See {PREFIX}SSL_CERTFILE and {PREFIX}SSL_KEYFILE")
    if "sasl_mechanism" not in connection and (mechanisms := await _logins(server, connection)):
        return Stop(
            f"Kafka at {server} wants a login: set {PREFIX}SASL_MECHANISM ({', '.join(mechanisms)}),"
            f" {PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD"
        )
    return None


def knock(connection: Mapping[str, Any]) -> None:
    """Find out in a moment whether the first broker that answers lets us in.

    Says nothing when none answers. Not for use inside an event loop.

    Raises:
        Stop: it does not.
    """
    asyncio.run(_knock(connection))


async def _knock(connection: Mapping[str, Any]) -> None:
    servers = connection["bootstrap_servers"]
    for server in [servers] if isinstance(servers, str) else servers:
        try:
            await _ask(server, connection)
            return
        except (KafkaError, OSError, TimeoutError):
            if found := await refusal(server, connection):
                raise found from None


async def _ask(server: str, connection: Mapping[str, Any]) -> None:
    """Ask a question. A listener with a login takes the connection and hangs up at the first one."""
    opened = await connect(server, connection)
    try:
        await opened.send(MetadataRequest([]))
    finally:
        opened.close()


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


async def _missed_certificate(server: str, context: ssl.SSLContext) -> str | None:
    """What the broker says of the certificate that we showed or did not show, or None."""
    try:
        async with asyncio.timeout(MISSED_WITHIN):
            reader, writer = await asyncio.open_connection(*_split(server), ssl=context)
            try:
                await reader.read(1)
            finally:
                writer.close()
    except ssl.SSLError as error:
        return str(error.reason or error)
    except (OSError, TimeoutError):
        return None
    return None


async def _logins(server: str, connection: Mapping[str, Any]) -> list[str]:
    """The ways to log in that a listener offers; none where it wants no login, or nobody is there."""
    try:
        await _ask(server, connection)
        return []
    except (KafkaError, OSError, TimeoutError):
        pass  # it answers nobody who has not logged in
    try:
        opened = await connect(server, connection)
        try:
            answer = await opened.send(SaslHandShakeRequest("PLAIN"))
        finally:
            opened.close()
    except (KafkaError, OSError, TimeoutError):
        return []
    return [] if for_code(answer.error_code) is IllegalSaslStateError else sorted(answer.enabled_mechanisms)


def _split(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    return host.strip("[]"), int(port)

"""How to reach a Kafka cluster: addresses, encryption and login, as both client libraries want it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class Security:
    """Encryption and login of a Kafka connection; the default is a plain connection.

    Giving `ssl_cafile` (a PEM file, or "system" for the machine's own authorities) turns
    encryption on; giving `sasl_mechanism` turns the login on. Raises ValueError when they do not
    fit together.
    """

    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None

    def __post_init__(self) -> None:
        if self.sasl_mechanism and self.sasl_mechanism not in MECHANISMS:
            raise ValueError(f"sasl_mechanism {self.sasl_mechanism!r} is not one of {', '.join(MECHANISMS)}")
        if self.sasl_mechanism and not (self.sasl_username and self.sasl_password):
            raise ValueError("sasl_mechanism is set: sasl_username and sasl_password are needed too")
        if self.sasl_mechanism == "PLAIN" and not self.ssl_cafile:
            raise ValueError("sasl_mechanism PLAIN sends the password readable: set ssl_cafile or use SCRAM")
        if self.ssl_certfile and not self.ssl_cafile:
            raise ValueError("ssl_certfile is set: set ssl_cafile too, to turn encryption on")

    @property
    def protocol(self) -> str:
        """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
        login = "SASL_" if self.sasl_mechanism else ""
        return login + ("SSL" if self.ssl_cafile else "PLAINTEXT")

    def options(self) -> dict[str, Any]:
        """Keyword arguments that kafka-python's and aiokafka's clients both take.

        Raises OSError when a certificate file cannot be read, naming it.
        """
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.ssl_cafile:
            options["ssl_context"] = self._context()
        if self.sasl_mechanism:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options

    def _context(self) -> ssl.SSLContext:
        system = self.ssl_cafile == "system"
        context = ssl.create_default_context(cafile=None if system else self.ssl_cafile)
        if self.ssl_certfile:
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        return context


def bootstrap_servers(url: str) -> list[str]:
    """The addresses in a broker URL as Faust takes it.

    Raises ValueError for an address without a port.

    >>> bootstrap_servers("kafka://one:9092;two:9092")
    ['one:9092', 'two:9092']
    """
    servers = [part.strip().split("://")[-1].strip("/") for part in url.replace(",", ";").split(";")]
    servers = [server for server in servers if server]
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"broker address {server!r} is not HOST:PORT; write kafka://localhost:9092")
    if not servers:
        raise ValueError("no broker address is given; write kafka://localhost:9092")
    return servers

"""The console of the demo: a child process, with two accounts so that two people can decide."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from streams.demo.worker import Child, child, free_port

#: Who may log in, and as what. High alerts take both.
PEOPLE = {"reviewer": "reviewer", "supervisor": "supervisor"}


@dataclass(frozen=True)
class Oversight:
    """A running console: where it is, and the password of the demo's accounts."""

    address: str
    password: str
    process: Child


@contextmanager
def overseeing(environment: Mapping[str, str], place: Path, port: int) -> Iterator[Oversight]:
    """The console on a port, or on another when it is taken, its records in a folder that exists."""
    password = "-".join(secrets.token_hex(2) for _ in range(4))
    own = {
        "PROBEWATCH_CONSOLE_DATABASE": f"sqlite:///{place}/console.sqlite",
        "PROBEWATCH_CONSOLE_SECRET_FILE": f"{place}/console.secret",
        "PROBEWATCH_CONSOLE_SECOND_FACTOR": "optional",
        "PROBEWATCH_CONSOLE_METRICS_PORT": "0",
    }
    _people(own["PROBEWATCH_CONSOLE_DATABASE"], password)
    port = free_port(port)
    command = ("console", "--port", str(port))
    with child(command, {**environment, **own}, place / "console.log") as process:
        yield Oversight(f"http://127.0.0.1:{port}", password, process)


def _people(database: str, password: str) -> None:
    from console.access import accounts
    from console.access.passwords import Passwords
    from console.storage.engine import open_store

    store, hashed = open_store(database), Passwords().hash(password)
    with store.writing() as session:
        for name, role in PEOPLE.items():
            accounts.add(
                session,
                name=name,
                roles=[role],
                actor=accounts.COMMAND,
                now=datetime.now(UTC),
                password=hashed,
            )
    store.close()

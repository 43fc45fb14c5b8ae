"""A PostgreSQL server from Debian's packages, in a folder of its own and behind a Unix socket only."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import psycopg
import pytest

HOME = Path("/usr/lib/postgresql")
#: What is gained by it is of no use to a server that lives for a test.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "jit=off")


class PostgresMissing(RuntimeError):
    """There are no programs of PostgreSQL on this machine; the text says what to install."""


def missing(error: PostgresMissing) -> NoReturn:
    """Skip the test, or fail it where PostgreSQL is required."""
    if os.environ.get("REQUIRE_POSTGRES"):
        pytest.fail(str(error))
    pytest.skip(str(error))


def programs() -> Path:
    """The folder of the newest version's programs. Raises PostgresMissing when there is none."""
    found = sorted(HOME.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if not found:
        raise PostgresMissing("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    return found[-1].parent


class Postgres:
    """A running server: `with Postgres() as server: server.new_database()`.

    PostgreSQL refuses to run as root, so root starts it as the user `nobody`. It listens on no network.
    """

    def __init__(self) -> None:
        self._programs = programs()
        self._made = 0
        # A path to a socket may have about 100 characters, less than a test's own folder.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        user = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        data = self.folder / "data"
        try:
            subprocess.run(
                [self._programs / "initdb", "-D", data, "-U", "probewatch", "-A", "trust", "-E", "UTF8",
                 "--no-sync", "--no-instructions", "--locale=C.UTF-8"],
                check=True, capture_output=True, cwd=self.folder, **user,
            )  # fmt: skip
            settings = [word for one in FAST for word in ("-c", one)]
            with (self.folder / "log").open("wb") as log:
                self._process = subprocess.Popen(
                    [self._programs / "postgres", "-D", data, "-k", self.folder, "-c", "listen_addresses=",
                     *settings],
                    stdout=log, stderr=log, cwd=self.folder, **user,
                )  # fmt: skip
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                psycopg.connect(self._address("postgres")).close()
                return
            except psycopg.OperationalError:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)

    def _address(self, database: str) -> str:
        return f"postgresql://probewatch@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        self._made += 1
        name = f"store_{self._made}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name}")  # type: ignore[arg-type]
        return self._address(name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # a fast shutdown
            self._process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

"""`./probewatch console`: it serves, says where, and makes the first administrator."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from console.access import accounts
from console.storage.engine import open_store
from console.storage.ledger import entries
from streams.__main__ import app
from tests.console.browsing import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
ADD = ("console", "account", "add", "administrator-1", "--role", "administrator")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PROBEWATCH_CONSOLE_DATABASE": f"sqlite:///{tmp_path}/console.sqlite",
        "PROBEWATCH_CONSOLE_SECRET_FILE": f"{tmp_path}/secret",
    }


def run(words: Sequence[str], environment: dict[str, str], typed: str | None = None) -> Result:
    return CliRunner().invoke(app, words, input=typed, env=environment)


def test_the_first_administrator_is_made_by_a_command(environment: dict[str, str]) -> None:
    done = run(ADD, environment, PASSWORD + "\n")
    assert done.exit_code == 0, done.output
    again = run(ADD, environment, PASSWORD + "\n")
    assert again.exit_code == 1 and "There is an account administrator-1 already." in again.stderr
    store = open_store(environment["PROBEWATCH_CONSOLE_DATABASE"])
    with store.reading() as session:
        (row,) = accounts.everyone(session)
        assert row.roles == ["administrator"]
        assert row.password is not None and row.password.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        assert [entry.actor for entry in entries(session)] == ["command line"]
    store.close()


@pytest.mark.parametrize(
    ("role", "typed", "said"),
    [
        ("administrator", "short\n", "needs 12 characters"),
        ("administrator", "", "needs 12 characters"),
        ("owner", PASSWORD + "\n", "owner is no role"),
    ],
)
def test_a_wrong_account_is_one_sentence(
    environment: dict[str, str], role: str, typed: str, said: str
) -> None:
    done = run([*ADD[:-1], role], environment, typed)
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()
    assert said in line


def test_a_taken_port_is_one_sentence(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(["console", "--port", str(port)], environment)
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()
    assert f"cannot listen on 127.0.0.1 port {port}" in line and "--port" in line


@pytest.fixture
def served(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "streams", "console", "--port", "0", "--no-kafka"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"The console is at (http://127.0.0.1:\d+)$", line.strip()):
                yield process, found[1]
                return
        pytest.fail("the console did not say where it is")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_the_console_says_where_it_is_and_ends_when_asked(
    served: tuple[subprocess.Popen[str], str], environment: dict[str, str]
) -> None:
    process, address = served
    assert httpx.get(f"{address}/readyz").json() == {"ok": True}
    page = httpx.get(f"{address}/login")
    assert page.status_code == 200 and "server" not in page.headers
    assert httpx.get(f"{address}/account").headers["location"].startswith("/login")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) in (0, -signal.SIGINT, 130)
    store = open_store(environment["PROBEWATCH_CONSOLE_DATABASE"])
    with store.reading() as session:
        (told,) = [one for one in entries(session) if one.kind == "configuration"]
    store.close()
    assert isinstance(told.body, dict) and "detroit" in {pack["name"] for pack in told.body["packs"]}

"""`demo`: the first thing anybody runs. It must show the product, end in time, and leave nothing behind."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.demo.worker import ROOT
from tests.live import eventually

#: What the demo may take beyond the seconds it is asked for, on a slow and busy machine.
BEYOND = 180.0

#: What an operator may have in the environment: with it the demo would find neither topics nor a login, and
#: would post its alerts to a real Alertmanager.
SETTINGS = {
    "PROBEWATCH_TOPIC_PREFIX": "test.",
    "PROBEWATCH_SASL_MECHANISM": "PLAIN",
    "PROBEWATCH_SASL_USERNAME": "operator",
    "PROBEWATCH_SASL_PASSWORD": "secret",
    "PROBEWATCH_ALERTMANAGER_URL": "http://127.0.0.1:9",
    "PROBEWATCH_CONSOLE_PUBLIC_URL": "https://console.example.org",
}


class Demo:
    """A demo in a process of its own. Its children bear a mark in their environment."""

    def __init__(self, folder: Path, *words: str, headless: bool = True) -> None:
        self.mark = secrets.token_hex(8)
        self.log = folder / "demo.log"
        self.began = time.monotonic()
        with self.log.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams", "demo", *(["--headless"] if headless else []), *words],
                cwd=ROOT,
                env={**os.environ, **SETTINGS, "DEMO_MARK": self.mark, "COLUMNS": "200"},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def alive(self) -> dict[int, str]:
        """Every process that bears the mark, the demo and its children, by id."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    marked = f"DEMO_MARK={self.mark}".encode() in (entry / "environ").read_bytes()
                    dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if marked and not dead:
                    found[int(entry.name)] = words
        return found

    def end(self) -> None:
        """Kill whatever is left, so that a failed test leaves nothing either."""
        for pid in self.alive():
            os.kill(pid, signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, int]]:
    """A whole run, with its web port taken by somebody else."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("processes are looked up in /proc")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = int(holder.getsockname()[1])
        demo = Demo(tmp_path_factory.mktemp("demo"), "--seconds", "25", "--web-port", str(port))
        try:
            demo.process.wait(25 + BEYOND)
            yield demo, port
        finally:
            demo.end()


def test_it_succeeds_in_about_the_time_it_was_given(told: tuple[Demo, int]) -> None:
    demo, _ = told
    assert demo.process.returncode == 0, demo.text
    assert "Traceback" not in demo.text


def test_it_uses_no_setting_of_a_deployment(told: tuple[Demo, int]) -> None:
    demo, _ = told
    assert f"has settings of its own: {', '.join(sorted(SETTINGS))}." in demo.text
    assert "secret" not in demo.text


def test_it_shows_alerts_as_they_come_the_table_and_the_proof(told: tuple[Demo, int]) -> None:
    demo, _ = told
    lines = demo.text.splitlines()
    first = next(n for n, line in enumerate(lines) if re.search(r"^ *(critical|high|medium|low) \d", line))
    summed_up = next(n for n, line in enumerate(lines) if "searches sent:" in line)
    assert first < summed_up, "alerts come while searches are sent"
    found = re.search(
        r"([\d,]+) searches sent: ([\d,]+) accepted, ([\d,]+) refused, ([\d,]+) late, ([\d,]+) dup", demo.text
    )
    assert found is not None
    sent, *taken = (int(number.replace(",", "")) for number in found.groups())
    assert sent == sum(taken) > 1000
    alerts = re.search(r"Replay of the file gives the same (\d+) alerts, byte for byte", demo.text)
    assert alerts is not None and int(alerts[1]) > 0
    assert "incident" in demo.text[demo.text.index("byte for byte") :]
    assert "NOT" not in demo.text


def test_it_names_its_addresses_and_takes_another_port_when_its_own_is_taken(told: tuple[Demo, int]) -> None:
    demo, port = told
    assert re.search(r"Broker at 127\.0\.0\.1:\d+", demo.text)
    address = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", demo.text)
    assert address is not None and int(address[1]) != port
    assert "/healthz" in demo.text and "/readyz" in demo.text


def test_it_leaves_no_process(told: tuple[Demo, int]) -> None:
    demo, _ = told
    assert demo.alive() == {}


def test_it_runs_again_at_once_and_ctrl_c_ends_everything(told: tuple[Demo, int], tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--seconds", "40", "--web-port", "0")
    try:
        eventually(lambda: "searches sent," in demo.text, "the middle of the demo", seconds=60)
        assert len(demo.alive()) >= 3, "the demo, its broker and its worker"
        os.kill(demo.process.pid, signal.SIGINT)
        assert demo.process.wait(25) == 130, demo.text
        assert "nothing is left running" in demo.text and "Traceback" not in demo.text
        assert demo.alive() == {}
    finally:
        demo.end()


def test_ctrl_c_when_all_is_told_is_no_failure(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--seconds", "20", "--web-port", "0", "--console-port", "0", headless=False)
    try:
        eventually(lambda: "Ctrl-C ends them" in demo.text, "the end of the table", seconds=20 + BEYOND)
        os.kill(demo.process.pid, signal.SIGINT)
        assert demo.process.wait(25) == 0, demo.text
        assert "nothing is left running" in demo.text and demo.alive() == {}
    finally:
        demo.end()


def test_a_console_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--seconds", "300", "--web-port", "0", "--console-port", "0")
    try:
        eventually(lambda: " searches sent" in demo.text, "searches are sent", seconds=BEYOND)
        (console,) = [one for one, words in demo.alive().items() if "streams console" in words]
        os.kill(console, signal.SIGKILL)
        assert demo.process.wait(30) == 1
    finally:
        demo.end()
    assert "the console ended with code -9; its log" in demo.text and "The console is at" in demo.text
    assert "--keep FOLDER" in demo.text


def test_sigterm_ends_everything_with_its_own_code(tmp_path: Path) -> None:
    """As a shell reports it: 0 would say that all went well, 130 that somebody pressed Ctrl-C."""
    demo = Demo(tmp_path, "--seconds", "40", "--web-port", "0")
    try:
        eventually(lambda: "Worker ready" in demo.text, "a worker", seconds=60)
        os.kill(demo.process.pid, signal.SIGTERM)
        assert demo.process.wait(25) == 143, demo.text
        assert "nothing is left running" in demo.text and "Traceback" not in demo.text
        assert demo.alive() == {}
    finally:
        demo.end()

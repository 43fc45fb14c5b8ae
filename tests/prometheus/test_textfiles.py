"""What commands leave in files, through node_exporter itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.live import command, eventually
from tests.model_shop import DETECTORS, SOURCES, log_of_weeks
from tests.prometheus.servers import process

pytestmark = pytest.mark.prometheus
EXPORTER = "prometheus-node-exporter"
ADDRESS = "127.0.0.1:9100"


def test_node_exporter_serves_the_figures_of_all_commands_and_promtool_finds_nothing(tmp_path: Path) -> None:
    if shutil.which(EXPORTER) is None:
        said = f"{EXPORTER} not found: apt-get install {EXPORTER}"
        pytest.fail(said) if os.environ.get("REQUIRE_PROMETHEUS") else pytest.skip(said)
    config, log, files = tmp_path / "config", tmp_path / "events.jsonl", tmp_path / "textfiles"
    config.mkdir()
    files.mkdir()
    (config / "detectors.yaml").write_text(DETECTORS)
    (config / "sources.yaml").write_text(SOURCES)
    log.write_bytes(b"".join(line + b"\n" for line in log_of_weeks()))
    models = {"PROBEWATCH_MODELS_DIR": str(tmp_path / "models")}
    for words in (
        ("train", "--as", "analyst-1"),
        ("replay", "--out", tmp_path / "alerts.jsonl"),
        ("backtest", "--out", tmp_path / "backtest"),
    ):
        file = files / f"{words[0]}.prom"
        given = ("--config", config, "--input", log, "--textfile", file)
        done = command(*words, *given, environment=models, seconds=300)
        assert done.returncode == 0, done.stderr
    options = ("--collector.disable-defaults", "--collector.textfile", "--web.disable-exporter-metrics")
    where = (f"--collector.textfile.directory={files}", f"--web.listen-address={ADDRESS}")
    with process([EXPORTER, *options, *where], tmp_path / "exporter.log"):
        eventually(lambda: "node_textfile_scrape_error" in page(), "node_exporter answers", 30)
        served = page().splitlines()
    assert "node_textfile_scrape_error 0" in served
    written = [line for file in files.iterdir() for line in file.read_text().splitlines() if line[0] != "#"]
    assert written and len(written) == sum(line.startswith("probewatch_") for line in served)
    ours = "".join(f"{line}\n" for line in served if "probewatch_" in line)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=ours, capture_output=True, text=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def page() -> str:
    try:
        with urllib.request.urlopen(f"http://{ADDRESS}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.URLError:
        return ""

"""Grafana's dashboards, made by code and kept in `config/grafana/dashboards`; a test compares them."""

from __future__ import annotations

import json
from pathlib import Path

from streams.dashboards.detectors import DETECTORS
from streams.dashboards.operations import OPERATIONS
from streams.dashboards.oversight import OVERSIGHT
from streams.dashboards.panels import model

DASHBOARDS = (OVERSIGHT, OPERATIONS, DETECTORS)
FOLDER = Path(__file__).resolve().parents[2] / "config" / "grafana" / "dashboards"


def written() -> dict[str, str]:
    """File names, and what should stand in the files."""
    return {f"{one.uid}.json": json.dumps(model(one), indent=1) + "\n" for one in DASHBOARDS}


def outdated(folder: Path = FOLDER) -> list[str]:
    """Names of files that are missing, too many, or not as the code is."""
    wanted = written()
    there = {file.name: file.read_text("utf-8") for file in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))

"""Files of monitoring that are made by code and kept in the repository; a test compares them.

Grafana's dashboards in `config/grafana/dashboards`, and Prometheus' rules as one Kubernetes resource.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from streams.dashboards.detectors import DETECTORS
from streams.dashboards.operations import OPERATIONS
from streams.dashboards.oversight import OVERSIGHT
from streams.dashboards.panels import model

DASHBOARDS = (OVERSIGHT, OPERATIONS, DETECTORS)
FOLDER = "config/grafana/dashboards"
RULES = "config/prometheus/rules"
RESOURCE = "deploy/kubernetes/prometheus-rules.yaml"


def outdated(root: Path) -> dict[Path, str | None]:
    """Files of a checkout that are not as the code is, and what they should be: None, not there at all."""
    wanted: dict[Path, str | None] = {file: None for file in (root / FOLDER).glob("*.json")}
    for one in DASHBOARDS:
        wanted[root / FOLDER / f"{one.uid}.json"] = json.dumps(model(one), indent=1) + "\n"
    wanted[root / RESOURCE] = resource(root)
    return {file: text for file, text in wanted.items() if text != _text(file)}


def resource(root: Path) -> str:
    """All rules as a PrometheusRule of the Prometheus operator."""
    groups = [
        group
        for file in sorted((root / RULES).glob("*.yml"))
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
    ]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "probewatch"},
        "spec": {"groups": groups},
    }
    head = f"# Made from {RULES} by `./probewatch monitoring`.\n"
    return head + yaml.safe_dump(rule, sort_keys=False, width=10_000)


def _text(file: Path) -> str | None:
    return file.read_text("utf-8") if file.exists() else None

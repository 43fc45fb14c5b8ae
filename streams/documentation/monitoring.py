"""What operations look up about monitoring: alerting rules with their pages and tests, and panels."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from streams.dashboards import DASHBOARDS, RULES
from streams.documentation.tables import table

ROOT = Path(__file__).resolve().parents[2]
CASES = "tests/data"


def rule_table() -> str:
    """Every alerting rule: how grave, after how long, what it says, where to look, which file tests it."""
    tested = {file.name: file.read_text("utf-8") for file in (ROOT / CASES).glob("prometheus_*.yml")}
    rows = []
    for file in sorted((ROOT / RULES).glob("*.yml")):
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]:
            for rule in (one for one in group["rules"] if "alert" in one):
                name, told = rule["alert"], rule["annotations"]
                page = told["runbook_url"].removeprefix("docs/")
                where = [case for case, text in sorted(tested.items()) if name in text]
                rows.append(
                    (
                        f"`{name}`",
                        rule["labels"]["severity"],
                        rule.get("for", "at once"),
                        f"[{Path(page).stem.replace('-', ' ')}]({page})",
                        ", ".join(f"`{CASES}/{case}`" for case in where),
                    )
                )
    return table(("rule", "severity", "after", "page", "fires and is silent in"), rows)


def panel_table() -> str:
    """Every panel of every dashboard, and the series that it asks for."""
    rows = []
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            asked = " ".join(query.expr for query in panel.queries)
            names = sorted(set(re.findall(r"\bprobewatch(?::\w+:\w+|_\w+)|ALERTS\b", asked)))
            shown = ", ".join(f"`{name}`" for name in names)
            rows.append((dashboard.title.removeprefix("Probewatch: "), panel.title, panel.meaning, shown))
    return table(("dashboard", "panel", "what it means", "asks for"), rows)

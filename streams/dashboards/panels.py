"""Grafana's dashboards as data: a panel is a title, what it means, and its queries; places are worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

#: Columns of Grafana's grid.
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "prometheus"}


@dataclass(frozen=True)
class Query:
    """PromQL, and what its series are called: Grafana's `{{label}}` stands for the value of a label."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel. `unit` is Grafana's name of it; from `steps` on a figure turns orange, then red."""

    title: str
    meaning: str
    queries: Sequence[Query]
    kind: Literal["stat", "timeseries", "barchart", "table"] = "timeseries"
    unit: str = "short"
    width: int = 12
    height: int = 8
    steps: tuple[float, float] | None = None
    stacked: bool = False
    log: bool = False


@dataclass(frozen=True)
class Row:
    """A heading, and the panels under it."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """A page of Grafana. `uid` is also its file's name and stands in addresses."""

    uid: str
    title: str
    meaning: str
    rows: Sequence[Row]
    last: str = "24h"
    tags: Sequence[str] = field(default=("probewatch",))

    @property
    def panels(self) -> list[Panel]:
        """All panels in their order."""
        return [panel for row in self.rows for panel in row.panels]


def one(expr: str, legend: str) -> list[Query]:
    """A single query."""
    return [Query(expr, legend)]


def model(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard in Grafana's JSON model, schema version 39."""
    found: list[dict[str, Any]] = []
    x = y = tallest = 0
    for row in dashboard.rows:
        y += tallest
        found.append(_row(len(found) + 1, row.title, y))
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            found.append(_panel(len(found) + 1, panel, x, y))
            x, tallest = x + panel.width, max(tallest, panel.height)
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.meaning,
        "tags": list(dashboard.tags),
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": f"now-{dashboard.last}", "to": "now"},
        "templating": {"list": []},
        "annotations": {"list": []},
        "links": [{"type": "dashboards", "tags": ["probewatch"], "title": "Probewatch", "asDropdown": False}],
        "panels": found,
    }


def _row(number: int, title: str, y: int) -> dict[str, Any]:
    place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(number: int, panel: Panel, x: int, y: int) -> dict[str, Any]:
    instant = panel.kind != "timeseries"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": [
            {
                "refId": "ABCDEFGH"[place],
                "expr": query.expr,
                "legendFormat": query.legend,
                "instant": instant,
                "range": not instant,
                "format": "table" if panel.kind in ("table", "barchart") else "time_series",
            }
            for place, query in enumerate(panel.queries)
        ],
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.steps is not None:
        colours = zip(("green", "orange", "red"), (None, *panel.steps), strict=True)
        steps = [{"color": colour, "value": value} for colour, value in colours]
        found["thresholds"] = {"mode": "absolute", "steps": steps}
    if panel.kind == "timeseries":
        scale = {"type": "log", "log": 10} if panel.log else {"type": "linear"}
        mode = "normal" if panel.stacked else "none"
        found["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 0,
            "stacking": {"mode": mode},
            "scaleDistribution": scale,
        }
        if panel.log:
            del found["min"]
    return found


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        mode = "none" if panel.steps is None else "value"
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": mode}
    if panel.kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    return {}

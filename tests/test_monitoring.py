"""Dashboards and Kubernetes manifests: as the code is, of the shape that is asked for, true to the rest."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from streams.__main__ import app
from streams.dashboards import DASHBOARDS, outdated
from streams.dashboards.panels import WIDTH, Dashboard, model
from streams.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS: dict[str, Any] = yaml.safe_load((ROOT / "tests/data/monitoring_schemas.yaml").read_text())
KUBERNETES = ROOT / "deploy/kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = [
    document
    for name in KUSTOMIZATION["resources"]
    for document in yaml.safe_load_all((KUBERNETES / name).read_text())
]
NAMES = [f"{one['kind']}-{one['metadata']['name']}" for one in MANIFESTS]
dashboards = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.uid)


def test_the_files_are_as_the_code_is() -> None:
    assert outdated(ROOT) == {}, "run `./probewatch monitoring`"


def test_check_finds_an_old_file_and_writing_mends_it(tmp_path: Path) -> None:
    for folder in ("config/grafana/dashboards", "config/prometheus/rules", "deploy/kubernetes"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "config/grafana/dashboards/mine.json").write_text("{}")
    run = CliRunner().invoke
    assert run(app, ["monitoring", "--check", "--root", str(tmp_path)]).exit_code == 1
    assert run(app, ["monitoring", "--root", str(tmp_path)]).exit_code == 0
    assert run(app, ["monitoring", "--check", "--root", str(tmp_path)]).exit_code == 0
    assert not (tmp_path / "config/grafana/dashboards/mine.json").exists()


@dashboards
def test_a_dashboard_has_the_shape_of_grafanas_model(dashboard: Dashboard) -> None:
    made = json.loads(json.dumps(model(dashboard)))
    jsonschema.validate(made, SCHEMAS["dashboard"])
    ids = [panel["id"] for panel in made["panels"]]
    assert len(set(ids)) == len(ids)
    assert len({panel["title"] for panel in made["panels"]}) == len(ids)


@dashboards
def test_no_panel_lies_upon_another(dashboard: Dashboard) -> None:
    places = [panel["gridPos"] for panel in model(dashboard)["panels"]]
    assert all(place["x"] + place["w"] <= WIDTH for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=NAMES)
def test_a_manifest_is_valid(manifest: dict[str, Any]) -> None:
    if manifest["kind"] in SCHEMAS:
        jsonschema.validate(manifest, SCHEMAS[manifest["kind"]])
    else:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_a_wrong_manifest_would_be_found() -> None:
    (workers,) = (one for one in MANIFESTS if one["kind"] == "StatefulSet")
    wrong = {**workers, "spec": {**workers["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_kubernetes_is_given_settings_and_files_that_exist() -> None:
    named: set[str] = set()
    for generator in KUSTOMIZATION["configMapGenerator"]:
        for file in generator.get("files", ()):
            assert (KUBERNETES / file).is_file(), file
            named.add(Path(file).name)
        for literal in generator.get("literals", ()):
            assert literal.split("=")[0].removeprefix(PREFIX).lower() in Settings.model_fields, literal
    shipped = [*(ROOT / "config").glob("*.*"), *(ROOT / "config/policy").iterdir()]
    assert {file.name for file in shipped} <= named
    assert {f"{one.uid}.json" for one in DASHBOARDS} <= named


def test_the_service_monitor_finds_the_workers() -> None:
    by_kind = {one["kind"]: one for one in MANIFESTS}
    wanted = by_kind["ServiceMonitor"]["spec"]
    service, pods = by_kind["Service"], by_kind["StatefulSet"]["spec"]["template"]
    assert wanted["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["metadata"]["labels"][wanted["jobLabel"]] == "probewatch", "the rules' job"
    assert service["spec"]["selector"].items() <= pods["metadata"]["labels"].items()
    (port,) = service["spec"]["ports"]
    (container,) = pods["spec"]["containers"]
    assert wanted["endpoints"][0]["port"] == port["name"]
    assert port["targetPort"] in {one["name"] for one in container["ports"]}


def test_what_kubernetes_runs_is_confined() -> None:
    for one in MANIFESTS:
        template = one["spec"].get("template")
        if template is None:
            continue
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in template["spec"]["containers"]:
            confined = container["securityContext"]
            assert confined["readOnlyRootFilesystem"] and not confined["allowPrivilegeEscalation"]
            assert confined["capabilities"]["drop"] == ["ALL"]
            assert "memory" in container["resources"]["limits"]

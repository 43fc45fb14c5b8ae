"""Dashboards and Kubernetes manifests: as the code is, of the shape that is asked for, true to the rest."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from fastapi.routing import APIRoute
from typer.testing import CliRunner

from console.settings import CONSOLE_PREFIX, ConsoleSettings
from console.web.pages import health
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
    known = Settings.model_fields.keys() | {f"console_{name}" for name in ConsoleSettings.model_fields}
    for generator in KUSTOMIZATION["configMapGenerator"]:
        for file in generator.get("files", ()):
            assert (KUBERNETES / file).is_file(), file
            named.add(Path(file).name)
        for literal in generator.get("literals", ()):
            assert literal.split("=")[0].removeprefix(PREFIX).lower() in known, literal
    shipped = [*(ROOT / "config").glob("*.*"), *(ROOT / "config/policy").iterdir()]
    assert {file.name for file in shipped} <= named
    assert {f"{one.uid}.json" for one in DASHBOARDS} <= named


@pytest.mark.parametrize(
    ("name", "pods", "job"),
    [
        ("probewatch", "probewatch-worker", "probewatch"),
        ("probewatch-console", "probewatch-console", "console"),
    ],
)
def test_a_service_monitor_finds_its_pods_alone_and_names_the_job_of_the_rules(
    name: str, pods: str, job: str
) -> None:
    (monitor,) = (one["spec"] for one in of_kind("ServiceMonitor") if one["metadata"]["name"] == name)
    wanted = monitor["selector"]["matchLabels"].items()
    (service,) = (one for one in of_kind("Service") if wanted <= one["metadata"]["labels"].items())
    assert service["metadata"]["labels"][monitor["jobLabel"]] == job
    rules = (ROOT / "config/prometheus/rules").glob("*.yml")
    assert any(f'up{{job="{job}"}}' in file.read_text() for file in rules)
    selected = service["spec"]["selector"].items()
    found = [one for one in of_kind("Deployment", "StatefulSet", "Job") if selected <= labels(one).items()]
    assert [one["metadata"]["name"] for one in found] == [pods]
    (container,) = found[0]["spec"]["template"]["spec"]["containers"]
    ports = {one["name"]: one["targetPort"] for one in service["spec"]["ports"]}
    assert ports[monitor["endpoints"][0]["port"]] in {one["name"] for one in container["ports"]}


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in MANIFESTS if one["kind"] in kinds]


def labels(pods: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = pods["spec"]["template"].get("metadata", {}).get("labels", {})
    return found


def test_the_console_listens_where_its_ports_are_and_is_asked_what_it_answers() -> None:
    given = dict(
        literal.split("=", 1)
        for one in KUSTOMIZATION["configMapGenerator"]
        for literal in one.get("literals", ())
    )
    (pods,) = (one["spec"]["template"]["spec"] for one in of_kind("Deployment"))
    (container,) = pods["containers"]
    ports = {one["name"]: str(one["containerPort"]) for one in container["ports"]}
    assert ports == {
        "pages": given[f"{CONSOLE_PREFIX}PORT"],
        "metrics": given[f"{CONSOLE_PREFIX}METRICS_PORT"],
    }
    answered = {route.path for route in health.router.routes if isinstance(route, APIRoute)}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["path"] in answered and asked["port"] == "pages"
    where = Path(given[f"{CONSOLE_PREFIX}SECRET_FILE"])
    assert str(where.parent) in {one["mountPath"] for one in container["volumeMounts"]}
    (secret,) = (one["secret"] for one in pods["volumes"] if "secret" in one)
    assert secret["items"] == [{"key": "secret", "path": where.name}]
    assert not secret["defaultMode"] & 0o007, "the console refuses a key that everybody can read"


def test_every_secret_that_is_referred_to_is_made_by_the_commands_of_the_kustomization() -> None:
    made = (KUBERNETES / "kustomization.yaml").read_text()
    for one in of_kind("Deployment", "StatefulSet"):
        for container in one["spec"]["template"]["spec"]["containers"]:
            for variable in container["env"]:
                asked = variable["valueFrom"]["secretKeyRef"]
                assert f"create secret generic {asked['name']} " in made
                assert f"--from-literal={asked['key']}=" in made


def test_kustomize_itself_puts_it_together() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        ["kubectl", "kustomize", "--load-restrictor", "LoadRestrictionsNone", KUBERNETES],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = list(yaml.safe_load_all(done.stdout))
    assert {one["kind"] for one in made} >= {one["kind"] for one in MANIFESTS} | {"ConfigMap"}
    images = {
        container["image"]
        for one in made
        if one["kind"] in ("Deployment", "StatefulSet", "Job")
        for container in one["spec"]["template"]["spec"]["containers"]
    }
    assert images == {f"probewatch:{KUSTOMIZATION['images'][0]['newTag']}"}


def test_workers_on_kubernetes_read_the_models_of_all() -> None:
    (claim,) = (one for one in MANIFESTS if one["kind"] == "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    (workers,) = (one for one in MANIFESTS if one["kind"] == "StatefulSet")
    pod = workers["spec"]["template"]["spec"]
    (volume,) = (one for one in pod["volumes"] if "persistentVolumeClaim" in one)
    assert volume["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"], "readOnly": True}
    (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == volume["name"])
    said = [one for each in KUSTOMIZATION["configMapGenerator"] for one in each.get("literals", ())]
    assert mount["readOnly"] and f"{PREFIX}MODELS_DIR={mount['mountPath']}" in said


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

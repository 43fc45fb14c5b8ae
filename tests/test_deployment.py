"""The container files, checked against the code without a container engine.

Where `docker-compose`, `promtool` and `amtool` are installed they have the last word.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client import CollectorRegistry

from console.settings import CONSOLE_PREFIX, ConsoleSettings, load_console_settings
from streams import metrics
from streams.__main__ import app
from streams.settings import PREFIX, Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "config/prometheus/prometheus.yml").read_text())
RULES = sorted((ROOT / "config/prometheus/rules").glob("*.yml"))
#: Of the series that Prometheus makes of alerts.
ALERT_LABELS = ("alertname", "alertstate", "severity")


def rules_of(path: Path) -> list[dict[str, Any]]:
    """The rules of a file."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


RECORDED: dict[str, str] = {
    rule["record"]: rule["expr"] for path in RULES for rule in rules_of(path) if "record" in rule
}
DASHBOARDS = sorted((ROOT / "config/grafana/dashboards").glob("*.json"))
SECRET = re.compile(r"KEY|PASSWORD|SECRET|TOKEN|WEBHOOK")
REFERENCE = re.compile(r"\$\{(\w+)(:[?-])?([^}]*)\}")


# Commands and settings


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    command, *options = OWN[name]["command"]
    group: Any = typer.main.get_group(app)
    found = group.get_command(None, command)
    assert found is not None
    known = {option for parameter in found.params for option in parameter.opts}
    assert set(options) <= known


def test_the_image_and_make_run_commands_that_exist() -> None:
    group: Any = typer.main.get_group(app)
    named = set(json.loads(re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)[-1]))
    named |= set(re.findall(r"\./probewatch (\w+)", (ROOT / "Makefile").read_text()))
    assert named == {"worker", "demo", "bench"}
    assert named <= set(group.list_commands(None))


def test_every_variable_of_ours_is_a_setting() -> None:
    texts = [COMPOSE_TEXT, DOCKERFILE, (ROOT / ".env.example").read_text()]
    named = {name for text in texts for name in re.findall(rf"{PREFIX}(\w+)", text)}
    assert named
    known = Settings.model_fields.keys() | {f"console_{name}" for name in ConsoleSettings.model_fields}
    assert {name.lower() for name in named} <= known


@pytest.mark.parametrize("name", sorted(OWN))
def test_the_settings_accept_what_a_service_is_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def filled(value: object) -> str:
        """With the default of a value that has one, and something else where compose asks for one."""
        return REFERENCE.sub(lambda one: one[3] if one[2] == ":-" else "0" * 64, str(value))

    for variable, value in OWN[name]["environment"].items():
        monkeypatch.setenv(variable, filled(value))
    settings = load_settings()
    load_console_settings()
    assert settings.broker == "kafka:19092"
    assert settings.pseudonym_key is not None
    assert settings.stop_timeout < float(OWN[name].get("stop_grace_period", "inf").removesuffix("s"))


# Paths and ports


def test_every_mounted_and_copied_path_exists() -> None:
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    copied = set(re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE))
    paths = {path for path in mounted if path.startswith(".")} | copied
    assert {"./config", "models", "streams"} <= paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    assert mounted - paths == COMPOSE["volumes"].keys()


def test_what_the_image_copies_is_let_through_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = set(re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE))
    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied


def listening(name: str) -> set[str]:
    """The ports that a service listens on for its neighbours."""
    service = SERVICES[name]
    inside = str(service.get("environment", {}).get(f"{CONSOLE_PREFIX}METRICS_PORT", ""))
    ports = {inside} - {""} | {published.rsplit(":", 1)[1] for published in service.get("ports", [])}
    return ports | set(
        re.findall(r"//:(\d+)", str(service.get("environment", {}).get("KAFKA_LISTENERS", "")))
    )


def addresses() -> Iterator[str]:
    """Every `service:port` that one service is told to find another at."""
    for job in PROMETHEUS["scrape_configs"]:
        yield from (target for config in job["static_configs"] for target in config["targets"])
    for manager in PROMETHEUS["alerting"]["alertmanagers"]:
        yield from (target for config in manager["static_configs"] for target in config["targets"])
    source = yaml.safe_load((ROOT / "config/grafana/provisioning/datasources/prometheus.yml").read_text())
    yield from (entry["url"].removeprefix("http://") for entry in source["datasources"])
    for service in OWN.values():
        yield service["environment"][f"{PREFIX}BROKER"]
        yield service["environment"][f"{PREFIX}ALERTMANAGER_URL"].removeprefix("http://")


def test_services_look_for_each_other_where_they_listen() -> None:
    for address in set(addresses()):
        host, port = address.split(":")
        host = "prometheus" if host == "127.0.0.1" else host
        assert port in listening(host), address


def test_every_worker_is_scraped_at_its_own_port() -> None:
    workers = {name: service for name, service in OWN.items() if service["command"] == ["worker"]}
    ports = {name: str(service["environment"][f"{PREFIX}WEB_PORT"]) for name, service in workers.items()}
    job = next(job for job in PROMETHEUS["scrape_configs"] if job["job_name"] == "probewatch")
    assert set(job["static_configs"][0]["targets"]) == {f"{name}:{port}" for name, port in ports.items()}
    assert len(set(ports.values())) == len(workers) == 2
    assert all(listening(name) == {port} for name, port in ports.items())
    data = [volume for service in workers.values() for volume in service["volumes"] if ":/data" in volume]
    assert len(set(data)) == len(workers)


def test_workers_read_the_models_and_only_the_analyst_writes_them() -> None:
    def mode(name: str) -> str:
        (found,) = (one for one in OWN[name]["volumes"] if one.startswith("trained:"))
        assert found.split(":")[1] == OWN[name]["environment"][f"{PREFIX}MODELS_DIR"]
        return str(found.partition("/models")[2])

    assert {name: mode(name) for name in ("worker-1", "worker-2", "analyst")} == {
        "worker-1": ":ro", "worker-2": ":ro", "analyst": "",
    }  # fmt: skip
    assert OWN["analyst"]["profiles"], "it is not started with the others"
    assert "/models" in re.findall(r"^VOLUME (.+)$", DOCKERFILE, re.MULTILINE)[0].split()


def test_the_image_and_the_settings_agree_on_the_port() -> None:
    default = str(Settings.model_fields["web_port"].default)
    assert re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE) == [default]
    assert f"{PREFIX}WEB_PORT={default}" in DOCKERFILE
    assert "/healthz" in DOCKERFILE


# Secrets and hardening


def test_no_secret_has_a_default() -> None:
    references = REFERENCE.findall(COMPOSE_TEXT)
    assert {name for name, _, _ in references if SECRET.search(name)} >= {f"{PREFIX}PSEUDONYM_KEY"}
    for name, operator, message in references:
        if SECRET.search(name):
            assert (operator, message) == (":?", f"set {name} in .env")
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            # A file that is made at the first start is no secret by its name.
            assert not SECRET.search(name.removesuffix("SECRET_FILE")) or str(value).startswith("${"), name
            assert not re.search(r"://\w+:(?!\$\{)[^@]*@", str(value)), name


def test_the_example_environment_names_every_value_and_gives_no_secret() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert example.keys() == {name for name, _, _ in REFERENCE.findall(COMPOSE_TEXT)}
    assert [name for name, value in example.items() if SECRET.search(name) and value] == []


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert {"mem_limit", "restart", "networks"} <= service.keys()
    assert "privileged" not in service
    assert service.get("user", "10001") not in ("root", "0")
    assert re.search(r":v?\d+\.\d+", service["image"]), "an image needs a version"
    for port in service.get("ports", []):
        assert port.startswith(("127.0.0.1:", "${BIND_ADDRESS:-127.0.0.1}:"))
    assert name in OWN or "healthcheck" in service


def test_the_image_is_pinned_and_does_not_run_as_root() -> None:
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"python:3.11.14-slim-bookworm"}
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)[-1] == "10001:10001"
    assert "--require-hashes" in DOCKERFILE


# Metrics


def declared() -> dict[str, set[str]]:
    """Series name -> label names, of everything that `streams.metrics` exports."""
    registries = [value for value in vars(metrics).values() if isinstance(value, CollectorRegistry)]
    series: dict[str, set[str]] = {"up": set()}  # Prometheus' own, of each target
    for registry in registries:
        for metric in registry.collect():
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
            collector = registry._names_to_collectors.get(metric.name)
            labels = set(getattr(collector, "_labelnames", ()))
            for suffix in suffixes.get(metric.type, [""]):
                series[metric.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return series


def queries(path: Path) -> list[str]:
    if path.suffix == ".yml":
        return [rule["expr"] for rule in rules_of(path)]
    panels = json.loads(path.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


@pytest.mark.parametrize("path", [*RULES, *DASHBOARDS], ids=lambda path: path.name)
def test_rules_and_dashboards_ask_for_series_that_exist(path: Path) -> None:
    series = declared()
    for query in queries(path):
        recorded = re.findall(r"probewatch:\w+:\w+", query)
        assert set(recorded) <= RECORDED.keys(), query
        behind = " ".join([query, *(RECORDED[name] for name in recorded)])
        names = re.findall(r"\bprobewatch_\w+", behind)
        assert set(names) <= series.keys(), query
        # Prometheus itself adds the last two; a grouping by anything else must be a label of the series.
        labels = {"job", "instance", *(ALERT_LABELS if "ALERTS" in query else ())}.union(
            *(series[name] for name in names)
        )
        grouped = {
            label.strip()
            for text in re.findall(r"\b(?:by|on) \(([^)]*)\)", query)
            for label in text.split(",")
        }
        matched = set(re.findall(r"(\w+)(?:=~?|!=|!~)\"", query))
        assert grouped | matched <= labels, query


def test_the_health_of_the_program_goes_to_those_who_run_it() -> None:
    """Alertmanager tells operations from oversight by this label alone."""
    rules = [rule for path in RULES for rule in rules_of(path) if "alert" in rule]
    assert rules
    pages: dict[str, set[str]] = {}
    for rule in rules:
        name, told = rule["alert"], rule["annotations"]
        assert rule["labels"]["team"] == "operations", name
        assert rule["labels"]["severity"] in ("warning", "critical"), name
        assert told.keys() == {"summary", "description", "runbook_url"}, name
        pages.setdefault(told["runbook_url"], set()).add(name)
    assert set(pages) == {f"docs/runbooks/{page.name}" for page in (ROOT / "docs/runbooks").glob("*.md")}
    for page, names in pages.items():
        said = set(re.findall(r"`(Probewatch\w+)`", (ROOT / page).read_text()))
        assert said == names, page


# Their own tools


def check(*command: str | Path, **environment: str) -> None:
    tool = shutil.which(command[0])
    if tool is None:
        pytest.skip(f"{command[0]} is not installed")
    result = subprocess.run(
        [tool, *command[1:]],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    check("promtool", "check", "config", ROOT / "config/prometheus/prometheus.yml")


CASES = sorted((ROOT / "tests/data").glob("prometheus_*.yml"))


@pytest.mark.parametrize("file", CASES, ids=lambda path: path.stem)
def test_rules_fire_on_their_trouble_and_stay_silent_without(file: Path) -> None:
    check("promtool", "test", "rules", file)


def test_every_rule_has_a_case_that_fires_and_one_in_which_its_series_are_there_and_it_is_silent() -> None:
    fires: set[str] = set()
    quiet: list[str] = []
    for case in (one for path in CASES for one in yaml.safe_load(path.read_text())["tests"]):
        given = " ".join(one["series"] for one in case["input_series"])
        for asked in case.get("alert_rule_test", ()):
            if asked.get("exp_alerts"):
                fires.add(asked["alertname"])
            else:
                quiet.append(given)
        for asked in (one for one in case.get("promql_expr_test", ()) if "ALERTS" in one["expr"]):
            if asked["exp_samples"]:
                fires.update(re.findall(r'alertname="(\w+)"', f"{asked['expr']} {asked['exp_samples']}"))
            else:
                quiet.append(given)
    for rule in (one for path in RULES for one in rules_of(path) if "alert" in one):
        assert rule["alert"] in fires
        behind = rule["expr"]
        while recorded := set(re.findall(r"probewatch:\w+:\w+", behind)):
            for name in recorded:
                behind = behind.replace(name, RECORDED[name])
        series = set(re.findall(r"\bprobewatch_\w+|\bup\b", behind))
        assert any(all(re.search(rf"\b{name}\b", given) for name in series) for given in quiet), rule["alert"]


def test_amtool_accepts_the_configuration(tmp_path: Path) -> None:
    """Versions before 0.26 know no `url_file`, so an address takes its place."""
    text = (ROOT / "config/alertmanager/alertmanager.yml").read_text()
    copy = tmp_path / "alertmanager.yml"
    copy.write_text(re.sub(r"url_file: \S+", "url: http://127.0.0.1/", text))
    check("amtool", "check-config", copy)


def test_compose_accepts_the_file_with_the_example_filled_in(tmp_path: Path) -> None:
    filled = {name: str(tmp_path / "filled") for name, _, _ in REFERENCE.findall(COMPOSE_TEXT)}
    (tmp_path / "filled").write_text("")
    check(
        "docker-compose",
        "-f",
        ROOT / "docker-compose.yml",
        "config",
        "-q",
        **filled | {"BIND_ADDRESS": "127.0.0.1"},
    )


def test_the_kafka_that_is_deployed_is_the_one_that_is_tested() -> None:
    tested = re.search(
        r"<version>([\d.]+)</version>", (ROOT / "tests/kafka/pom.xml").read_text().split("<dependencies>")[1]
    )
    assert tested is not None
    assert f"apache/kafka:{tested[1]}" in (ROOT / "docker-compose.yml").read_text()

"""compose.yaml holds together, gives no more rights than it must, knows no password, and says what the code says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from installation import ROOT

from loan_default import __version__
from loan_default.settings import Settings

TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("api", "worker", "drift", "mlflow", "train")
# `${NAME:-default}` and `${NAME:?message}`; `$$` is a dollar of a shell inside a container.
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")
FOUND = {(name, kind, text) for name, kind, text in VARIABLE.findall(TEXT)}


def defaults() -> dict[str, str]:
    return {name: text for name, kind, text in FOUND if kind == "-"}


def required() -> set[str]:
    return {name for name, kind, _ in FOUND if kind == "?"}


def resolved(text: str, **given: str) -> str:
    """What a compose program makes of a value."""
    return VARIABLE.sub(lambda found: given.get(found[1], found[3] if found[2] == "-" else "a-secret-of-ours"), text)


def environment(service: str) -> dict[str, str]:
    return {name: resolved(str(value)) for name, value in SERVICES[service].get("environment", {}).items()}


def ports(service: str) -> list[tuple[str, str, str]]:
    """Address, port of this machine, port of the container."""
    found = []
    for port in SERVICES[service].get("ports", []):
        address, outer, inner = resolved(port).split(":")
        found.append((address, outer, inner))
    return found


def mounts(service: str) -> list[tuple[str, str, str]]:
    found = []
    for mount in SERVICES[service].get("volumes", []):
        source, target, mode = (*mount.split(":"), "rw")[:3]
        found.append((source, target, mode))
    return found


each = pytest.mark.parametrize("service", SERVICES)


def test_it_is_what_the_specification_says() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    command = [sys.executable, "-m", "check_jsonschema", *schema, str(ROOT / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_variable_has_a_default_or_is_required() -> None:
    assert {kind for _, kind, _ in FOUND} == {"-", "?"}
    assert len(required() | set(defaults())) == len({(name, kind) for name, kind, _ in FOUND})  # and never both
    assert len({name for name, kind, _ in FOUND if kind == "-"}) == len([1 for _, kind, _ in FOUND if kind == "-"])


def test_the_page_lists_every_variable_with_its_default_and_no_other() -> None:
    page = (ROOT / "docs" / "compose.md").read_text()
    table = page[page.index("| variable | default |") :].partition("\n\n")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))
    shown = {name: f"`{text}`" if text else "unset" for name, text in defaults().items()}
    assert listed == shown | dict.fromkeys(required(), "required")


@pytest.mark.parametrize("service", ["api", "worker", "drift", "train"])
def test_our_services_get_settings_that_exist_and_can_be_read(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = environment(service)
    ours = {name: value for name, value in given.items() if not name.startswith("MLFLOW_TRACKING_") or "URI" in name}
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    assert {name.lower() for name in ours} <= set(Settings.model_fields)
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert settings.model_fields_set == {name.lower() for name in ours}
    assert settings.state == Path("/state")


def test_a_setting_that_is_not_set_keeps_its_default() -> None:
    meant = {"workers"}  # so that one goes on when the other dies
    for name, text in defaults().items():
        field = Settings.model_fields.get(name.lower())
        if field is not None and name.lower() not in meant:
            assert type(field.default)(text) == field.default, name


def test_what_must_be_given_is_what_the_command_makes_up(tmp_path: Path) -> None:
    made = secrets_file(tmp_path / "env")
    assert required() <= set(made)
    assert {name for name in made if name not in required()} == {
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "GRAFANA_ADMIN_USER",
    }


def test_there_is_no_default_for_a_secret() -> None:
    for name, text in defaults().items():
        assert not re.search("PASSWORD|KEY$|SECRET|TOKEN", name) or text == "", name
    for has in SERVICES.values():
        for variable, value in has.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|API_KEY$", variable):
                assert VARIABLE.fullmatch(str(value)), variable


@each
def test_nothing_has_more_rights_than_it_needs(service: str) -> None:
    has = SERVICES[service]
    assert has["read_only"] is True
    assert has["cap_drop"] == ["ALL"]
    assert has["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:\d+", has["user"])
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "userns_mode"} & set(has)
    assert not [source for source, _, mode in mounts(service) if source.startswith((".", "/")) and mode != "ro"]
    assert not [source for source, _, _ in mounts(service) if source.startswith("/")]


@each
def test_nothing_may_take_the_whole_machine(service: str) -> None:
    has = SERVICES[service]
    assert has["mem_limit"]
    assert has["pids_limit"]
    assert has["logging"]["options"]["max-size"]
    assert all("size=" in mount for mount in has["tmpfs"])


@each
def test_what_runs_for_good_is_watched_and_started_again(service: str) -> None:
    has = SERVICES[service]
    if service == "train":
        assert (has["restart"], has["profiles"]) == ("no", ["train"])
    else:
        assert has["restart"] == "unless-stopped"
        assert has["healthcheck"]["test"]


@each
def test_whoever_needs_another_waits_until_it_is_well(service: str) -> None:
    for other, how in SERVICES[service].get("depends_on", {}).items():
        assert set(SERVICES[service]["networks"]) & set(SERVICES[other]["networks"])
        # Predictions do not wait for the drift monitor.
        assert how["condition"] == ("service_started" if other == "drift" else "service_healthy")


def test_ports_are_those_of_this_machine_alone_unless_it_is_asked_for() -> None:
    published = {service: ports(service) for service in SERVICES if ports(service)}
    assert published == {
        "api": [("127.0.0.1", "8005", "3000")],
        "mlflow": [("127.0.0.1", "5001", "5000")],
        "prometheus": [("127.0.0.1", "9090", "9090")],
        "grafana": [("127.0.0.1", "3001", "3000")],
    }


def test_what_only_we_call_cannot_be_reached_from_outside() -> None:
    assert COMPOSE["networks"] == {"outside": None, "data": {"internal": True}, "watched": {"internal": True}}
    for service in ("drift", "postgres", "redis", "worker"):
        assert "outside" not in SERVICES[service]["networks"]
    assert SERVICES["drift"]["networks"] == ["watched"]
    assert {name for name, has in SERVICES.items() if "watched" in has["networks"]} == {
        *("api", "worker", "drift", "prometheus")
    }


def test_addresses_name_services_that_can_be_reached() -> None:
    for service in SERVICES:
        for value in environment(service).values():
            for host in re.findall(r"://(?:[^/@]*@)?([a-z]+):\d+", value):
                assert set(SERVICES[service]["networks"]) & set(SERVICES[host]["networks"]), (service, host)


def test_images_have_versions_and_ours_is_this_one() -> None:
    for service, has in SERVICES.items():
        image, _, tag = resolved(has["image"]).rpartition(":")
        assert tag
        assert tag != "latest"
        if service in OURS:
            assert (tag, image.startswith("loan_default")) == (__version__, True)
            assert has["pull_policy"] == "never"
        else:
            assert image.startswith("docker.io/")
            assert re.fullmatch(r"v?\d+(\.\d+)+", tag)


@each
def test_what_is_mounted_exists(service: str) -> None:
    for source, _, _ in mounts(service):
        if source.startswith("."):
            assert (ROOT / source).exists()
        else:
            assert source in COMPOSE["volumes"]


def test_scripts_that_containers_run_are_ones() -> None:
    assert os.access(ROOT / "deploy" / "postgres" / "databases.sh", os.X_OK)
    (mounted,) = [target for source, target, _ in mounts("mlflow") if source.endswith("serve.py")]
    assert SERVICES["mlflow"]["command"] == ["python", mounted]


def test_state_is_shared_by_those_who_need_it_alone() -> None:
    def users(volume: str) -> set[str]:
        return {service for service in SERVICES if volume in [source for source, _, _ in mounts(service)]}

    assert users("state") == {"api", "worker", "train"}
    for volume in ("drift", "mlflow", "postgres", "prometheus", "grafana"):
        assert users(volume) == {volume}


def test_prometheus_accepts_its_configuration_and_looks_where_metrics_are(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        assert not os.environ.get("CI"), "CI must have promtool: apt-get install prometheus"
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    rules = next(target for source, target, _ in mounts("prometheus") if source == "./k8s/monitoring")
    text = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
    assert rules in text
    (tmp_path / "prometheus.yml").write_text(text.replace(rules, str(ROOT / "k8s" / "monitoring")))
    done = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"SUCCESS: \d+ rules found", done.stdout)
    jobs = yaml.safe_load(text)["scrape_configs"]
    targets = [target for job in jobs for one in job.get("static_configs", []) for target in one["targets"]]
    by_name = [f"{one['names'][0]}:{one['port']}" for job in jobs for one in job.get("dns_sd_configs", [])]
    assert sorted(targets + by_name) == ["api:3000", "drift:3000", "worker:9100"]
    assert SERVICES["worker"]["command"][-2:] == ["--metrics-port", "9100"]
    for target in (*targets, *by_name):
        assert set(SERVICES[target.partition(":")[0]]["networks"]) & set(SERVICES["prometheus"]["networks"])


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    places = {source: target for source, target, _ in mounts("grafana")}
    assert places["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"  # where it looks by itself
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    assert set(SERVICES["grafana"]["networks"]) & set(SERVICES["prometheus"]["networks"])
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "loan-default.yaml").read_text())["providers"]
    assert provider["options"]["path"] == places["./k8s/monitoring"]


def secrets_file(path: Path) -> dict[str, str]:
    """What the command leaves in a file."""
    command = [sys.executable, str(ROOT / "deploy" / "compose" / "env.py"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    assert not [value for value in found.values() if len(value) > 10 and value in done.stdout]
    return found


def test_secrets_are_made_up_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    first = secrets_file(tmp_path / "env")
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
    assert secrets_file(tmp_path / "env") == first
    other = secrets_file(tmp_path / "other")
    secret = [name for name, value in first.items() if value != "admin"]
    assert len({*(first[name] for name in secret), *(other[name] for name in secret)}) == 2 * len(secret)
    assert all(re.fullmatch("[0-9a-f]{48}", first[name]) for name in secret)


@pytest.mark.parametrize("empty", ["", '""', "''", '""  # none yet', "# none yet"])
def test_what_is_empty_is_not_given(tmp_path: Path, empty: str) -> None:
    (tmp_path / "env").write_text(f"API_KEY={empty}\n")
    assert len(secrets_file(tmp_path / "env")["API_KEY"]) == 48


def test_the_worker_and_the_monitor_agree_on_what_drift_is() -> None:
    monitor = environment("drift")
    for name in ("DRIFT_KEY", "DRIFT_PSI_THRESHOLD", "DRIFT_WINDOW_SIZE"):
        assert environment("worker")[name] == environment("api")[name] == monitor[name]


def test_what_stands_in_the_file_already_stays(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# mine\nWORKERS=4\nAPI_KEY=my-own-key-of-old\nREDIS_PASSWORD=\nLOG_LEVEL=DEBUG")
    (tmp_path / "env").chmod(0o644)
    made = secrets_file(tmp_path / "env")
    assert (tmp_path / "env").read_text().startswith("# mine\nWORKERS=4\nAPI_KEY=my-own-key-of-old\n")
    assert (made["API_KEY"], made["LOG_LEVEL"], len(made["REDIS_PASSWORD"])) == ("my-own-key-of-old", "DEBUG", 48)
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600

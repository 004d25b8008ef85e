"""What is rendered, held by other people's checks; secrets, components, rules and versions that belong to it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from rendered import IN_AN_OBJECT_STORE, OVERLAYS, ROOT, overlay, rendered_copy, require_tools, text

from k8s.checks import outside
from k8s.checks.__main__ import _CHECKS
from k8s.checks.environment import secret
from k8s.checks.manifests import Manifests
from k8s.checks.render import read
from loan_default import __version__
from loan_default.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.slow]

K8S = ROOT / "k8s"
SECRETS = K8S / "overlays" / "production" / "secrets"


@pytest.fixture(scope="module")
def both() -> str:
    return "\n---\n".join(text(K8S / "overlays" / name) for name in OVERLAYS)


@pytest.fixture(scope="module")
def findings(both: str) -> dict[str, list[str]]:
    return outside.policy_findings(both)


def test_the_api_server_would_take_every_object(both: str) -> None:
    assert outside.schema_problems(both) == []


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("  maxReplicas: 10", "  maxReplica: 10", "maxReplica"),
        ("      maxUnavailable: 0", "      maxUnavailable: [0]", "maxUnavailable"),
        ("  policyTypes:\n  - Ingress\n  - Egress", "  policyType:\n  - Ingress", "policyType"),
    ],
)
def test_a_field_that_there_is_not_is_found(both: str, right: str, wrong: str, named: str) -> None:
    assert right in both
    problems = outside.schema_problems(both.replace(right, wrong))
    assert any(named in problem for problem in problems), problems


def test_every_finding_of_checkov_is_answered_and_every_answer_has_its_finding(findings: dict[str, list[str]]) -> None:
    assert outside.policy_problems(findings) == []
    assert {check.partition(":")[0] for check in findings} == outside.answers().keys()
    assert all(len(reason) > 80 for reason in outside.answers().values())


def test_a_pod_that_may_do_more_is_found(both: str) -> None:
    worse = both.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false").replace(
        "allowPrivilegeEscalation: false", "privileged: true"
    )
    problems = outside.policy_problems(outside.policy_findings(worse))
    for check in ("CKV_K8S_16", "CKV_K8S_20", "CKV_K8S_22"):
        assert any(problem.startswith(f"{check}:") for problem in problems), problems


def test_the_tags_are_the_version() -> None:
    for name in OVERLAYS:
        for container in overlay(name).containers:
            assert container.spec["image"].rpartition(":")[2] == __version__, container.title


def test_no_secret_is_among_the_manifests() -> None:
    for name in OVERLAYS:
        assert overlay(name).of("Secret") == []


def test_each_secret_has_an_example_with_its_very_keys() -> None:
    wanted: dict[str, set[str]] = {}
    for container in overlay("production").containers:
        for name, key in secret(container).values():
            wanted.setdefault(name, set()).add(key)
    examples = {path.name.partition(".")[0]: path.read_text() for path in SECRETS.glob("*.example.env")}
    assert {name: set(re.findall(r"^(\w+)=", example, re.MULTILINE)) for name, example in examples.items()} == wanted


def test_an_example_that_nobody_filled_in_starts_nothing() -> None:
    values = dict(re.findall(r"^(\w+)=(.*)$", (SECRETS / "loan-default.example.env").read_text(), re.MULTILINE))
    for name, value in values.items():
        with pytest.raises(ValidationError, match=name.lower()):
            Settings(_env_file=None, **{name.lower(): value})
    # MLflow makes no administrator without a password, and takes this for no database.
    example = (SECRETS / "loan-default-mlflow.example.env").read_text()
    assert re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE) == [
        ("MLFLOW_BACKEND_STORE_URI", "REPLACE-ME"),
        ("MLFLOW_FLASK_SERVER_SECRET_KEY", ""),
        ("MLFLOW_AUTH_ADMIN_USERNAME", ""),
        ("MLFLOW_AUTH_ADMIN_PASSWORD", ""),
    ]


def test_an_overlay_of_ones_own_may_keep_jobs_in_an_object_store(tmp_path: Path) -> None:
    rendered = rendered_copy(tmp_path, IN_AN_OBJECT_STORE)
    manifests = read(rendered)
    assert outside.schema_problems(rendered) == []
    problems = [problem for check in _CHECKS for problem in check.problems(manifests)]
    # What the overlay `production` adds, this one has not.
    assert problems == [
        "Deployment/loan-default-api has several pods and no API_KEYS_FILE: each pod would make a key of its own"
    ]
    api = next(workload for workload in manifests.workloads if workload.name == "loan-default-api")
    tmp = next(volume for volume in api.pod["volumes"] if volume["name"] == "tmp")
    assert tmp["emptyDir"]["sizeLimit"] == "10Gi"
    assert_every_port_of_the_pod_monitor_is_one(manifests)


def assert_every_port_of_the_pod_monitor_is_one(manifests: Manifests) -> None:
    (monitor,) = manifests.of("PodMonitor")
    watched = manifests.selected(monitor["spec"]["selector"])
    assert {workload.name for workload in watched} == {
        "loan-default-api", "loan-default-drift", "loan-default-job-worker"
    }  # fmt: skip
    named = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
    for workload in watched:
        assert any(named & container.ports.keys() for container in workload.containers), workload.title


def test_no_rule_and_no_dashboard_is_forgotten() -> None:
    generated = yaml.safe_load((K8S / "monitoring" / "kustomization.yaml").read_text())["configMapGenerator"]
    listed = {name for generator in generated for name in generator["files"]}
    there = {path.name for pattern in ("*.rules.yaml", "*.json") for path in (K8S / "monitoring").glob(pattern)}
    assert listed == there


def run_checks(*overlays: Path) -> subprocess.CompletedProcess[str]:
    require_tools()
    command = [sys.executable, "-m", "k8s.checks", *map(str, overlays)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    dev = yaml.safe_load(
        text(K8S / "overlays" / "dev").partition("kind: Service\n")[0].rpartition("---")[0].partition("---")[0]
    )
    (own / "namespace.yaml").write_text(yaml.safe_dump(dev))
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lost", "namespace": "loan-default-dev"}}
    service |= {"spec": {"selector": {"app": "nothing"}, "ports": [{"port": 80}]}}
    (own / "service.yaml").write_text(yaml.safe_dump(service))
    (own / "kustomization.yaml").write_text("resources: [namespace.yaml, service.yaml]\n")
    done = run_checks(own)
    assert done.returncode == 1, done.stderr
    assert "Service/lost: its selector takes the pods of nobody" in done.stdout


def test_the_command_fails_when_there_is_nothing_to_render(tmp_path: Path) -> None:
    done = run_checks(tmp_path)
    assert done.returncode == 2
    assert "kubectl failed" in done.stderr

"""Other people's checks: the API server's schemas (kubernetes-validate) and policies (checkov).

A finding of checkov's that stays is answered in `answers.yaml`, with the reason.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import yaml

from k8s.checks.tools import run

# The oldest version of Kubernetes that these are held to. Everything used has been stable for longer.
KUBERNETES = "1.32"
ANSWERS = Path(__file__).with_name("answers.yaml")

# Kinds that the API server does not know, but an operator's CustomResourceDefinition.
_CUSTOM = ("PodMonitor",)


def schema_problems(text: str) -> list[str]:
    """What the API server would refuse: fields that there are not, values of the wrong type."""
    documents = [found for found in yaml.safe_load_all(text) if found and found["kind"] not in _CUSTOM]
    with _file(yaml.safe_dump_all(documents)) as name:
        said = run("kubernetes-validate", "--strict", "-k", KUBERNETES, "--no-warn", name, may_find=True)
    lines = [line.partition(" ")[2] for line in said.splitlines() if line.startswith("ERROR")]
    return [line.replace(f"{name} ", "") for line in lines]


def policy_findings(text: str) -> dict[str, list[str]]:
    """The objects that each of checkov's checks speaks against; keys are `CKV_K8S_43: what it wants`."""
    with _file(text) as name:
        said = run(
            "checkov", "--framework", "kubernetes", "--file", name, "--output", "json", "--skip-download", "--quiet",
            may_find=True,
        )  # fmt: skip
    report: dict[str, Any] = json.loads(said)
    if not report["summary"]["passed"]:
        raise ValueError("checkov has looked at nothing")
    findings: dict[str, list[str]] = {}
    for failed in report["results"]["failed_checks"]:
        findings.setdefault(f"{failed['check_id']}: {failed['check_name']}", []).append(failed["resource"])
    return findings


def answers() -> dict[str, str]:
    """The reason why a check of checkov's is not followed, by its id."""
    read: dict[str, str] = yaml.safe_load(ANSWERS.read_text())
    return read


def policy_problems(findings: dict[str, list[str]]) -> list[str]:
    """The findings that nobody has answered."""
    answered = answers()
    return [
        f"{check}: {', '.join(resources)}"
        for check, resources in findings.items()
        if check.partition(":")[0] not in answered
    ]


class _file:  # noqa: N801  # a context manager, used like a function
    """A temporary file of YAML."""

    def __init__(self, text: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "manifests.yaml"
        self._path.write_text(text)

    def __enter__(self) -> str:
        return str(self._path)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

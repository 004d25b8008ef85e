"""What GitHub runs is what anybody runs: `.ci/run` and the Makefile's targets, with rights to read and nothing else."""

import re
import tomllib
from typing import Any

import pytest
import yaml
from installation import ROOT

TEXT = (ROOT / ".github" / "workflows" / "ci.yaml").read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def commands(job: str) -> list[str]:
    """What a job runs, line by line, beside its actions."""
    return [line for step in JOBS[job]["steps"] for line in step.get("run", "").splitlines()]


def test_the_tests_are_ci_run_and_nothing_else() -> None:
    assert [command for command in commands("run") if not command.startswith("git config")] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_they_run_on_a_fresh_machine_with_every_python_that_is_supported() -> None:
    pythons = [combination["python"] for combination in JOBS["run"]["strategy"]["matrix"]["include"]]
    lowest, above = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    assert pythons == [f"3.{minor}" for minor in range(int(lowest), int(above))]
    assert JOBS["run"]["container"] == "python:${{ matrix.python }}-${{ matrix.debian }}"
    assert JOBS["run"]["env"]["PYTHON"] == "python${{ matrix.python }}"  # which `make setup` takes
    named = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if "Python :: 3." in name]
    assert named == pythons


@pytest.mark.parametrize("job", JOBS)
def test_a_job_reads_the_code_and_has_no_other_right(job: str) -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in JOBS[job]
    assert JOBS[job]["timeout-minutes"] <= 90
    for step in JOBS[job]["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_no_secret_and_nothing_that_a_stranger_wrote_gets_into_a_command() -> None:
    assert "secrets." not in TEXT
    assert "pull_request_target" not in TEXT
    for job in JOBS:
        assert not any("${{" in command for command in commands(job))


def test_actions_are_pinned_to_commits_that_say_their_version() -> None:
    used = re.findall(r"uses: (.*)", TEXT)
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_every_target_there_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    called = [command.split()[1] for job in JOBS for command in commands(job) if command.startswith("make ")]
    assert set(called) >= {"image", "prove", "audit"}
    missing = [target for target in called if not re.search(rf"^{target}:", makefile, re.MULTILINE)]
    assert missing == []

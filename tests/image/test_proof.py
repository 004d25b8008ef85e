"""The whole chain on one machine, without any cloud: `make prove` builds the image and runs this.

Each test is a step of one story, and goes on where the one before ended: a hardened container scores online and in
bulk, watches for drift, is killed in the middle, and another one on the same volume goes on with all of it.
"""

import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from containers import Container, engine_with
from job_makers import portfolio

from loan_default import __version__

pytestmark = [pytest.mark.image, pytest.mark.timeout(400)]

APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}
SHIFTED = [{"employed": 0, "bank_balance": 20_000.0 + i, "annual_salary": 90_000.0 + i} for i in range(250)]
ROWS = 300_000
VARIABLES = {
    "WORKERS": "2",
    "RATE_LIMIT_PER_MINUTE": "0",
    "JOB_THREADS": "1",  # a job takes some seconds, so that there is a middle
    "DRIFT_SAMPLING_RATE": "1",
    "DRIFT_MIN_SAMPLES": "200",
    "DRIFT_CHECK_INTERVAL_S": "0.5",
}


@dataclass
class Story:
    """What earlier steps left for later ones."""

    container: Container
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def client(self) -> httpx.Client:
        """A caller."""
        return self.container.client()

    def job(self) -> str:
        """Hand in the portfolio; returns the job's id."""
        with self.client as client:
            answer = client.post("/api/v1/predict/batch/file", files={"file": ("portfolio.csv", portfolio(ROWS))})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def stands(self, job_id: str) -> dict[str, Any]:
        """How a job stands."""
        with self.client as client:
            found: dict[str, Any] = client.get(f"/api/v1/predict/batch/{job_id}").json()
        return found

    def digest(self, job_id: str) -> str:
        """Of a job's results, to the last byte."""
        with self.client as client:
            answer = client.get(f"/api/v1/predict/batch/{job_id}/results", params={"format": "parquet"})
        assert answer.status_code == 200
        return hashlib.sha256(answer.content).hexdigest()


def wait_for(
    look: Callable[[], dict[str, Any]], reached: Callable[[dict[str, Any]], bool], within_s: float
) -> dict[str, Any]:
    """Look until it is as it shall be."""
    deadline = time.monotonic() + within_s
    while not reached(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """An empty volume, and a container of the image on it."""
    engine = engine_with("loan_default")
    volume = f"loan-default-proof-{time.monotonic_ns()}"
    engine.answer("volume", "create", volume)
    told = Story(Container(engine, "loan_default", volume, VARIABLES))
    try:
        told.container.start()
        yield told
    finally:
        told.container.remove()
        engine.answer("volume", "rm", "--force", volume)


def test_01_the_image_says_what_it_is(story: Story) -> None:
    engine = story.container.engine
    config = json.loads(engine.answer("image", "inspect", "--format={{json .Config}}", f"loan_default:{__version__}"))
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"]
    assert labels["loan-default.bento"].startswith("loan_default:")
    assert labels["loan-default.model"].startswith("loan_default:")
    assert config["User"] == "1034:1034"
    assert list(config["Volumes"]) == ["/state"]


def test_02_it_runs_without_root_capabilities_or_a_writable_file_of_its_own(story: Story) -> None:
    status = dict(line.split(":\t", 1) for line in story.container.run("cat", "/proc/1/status").splitlines())
    assert (status["Uid"].split(), status["CapEff"], status["NoNewPrivs"]) == (["1034"] * 4, "0" * 16, "1")
    for place in ("/home/bentoml/bento/x", "/app/x", "/home/bentoml/x"):
        with pytest.raises(subprocess.CalledProcessError):
            story.container.run("touch", place)


def test_03_it_holds_neither_compilers_nor_training_nor_its_builders_secrets(story: Story) -> None:
    found = story.container.python(
        "import importlib.util as u, shutil; names = ('mlflow', 'sklearn', 'pandas', 'evidently', 'pip', 'uv');"
        "print([n for n in names if u.find_spec(n)] + [c for c in ('gcc', 'git', 'make', 'uv') if shutil.which(c)])"
    )
    assert found == "[]"
    assert story.container.run("sh", "-c", "ls -A /usr/local/sbin /root 2>/dev/null | grep -c uv || true") == "0"


def test_04_its_health_check_agrees(story: Story) -> None:
    command = ("python", "-I", "-S", "/home/bentoml/bento/src/loan_default/health_check.py")
    assert "200" in story.container.run(*command)
    with pytest.raises(subprocess.CalledProcessError):
        story.container.run(*command, "1")


def test_05_its_log_is_json_and_never_names_the_key(story: Story) -> None:
    key = story.container.run("cat", "/state/api_key")
    log = story.container.logs()
    assert "the one that callers need is in /state/api_key" in log
    assert key not in log
    started = [json.loads(line) for line in log.splitlines() if "Starting production HTTP BentoServer" in line]
    assert started[0]["level"] == "INFO"


def test_06_it_scores_an_applicant(story: Story) -> None:
    with story.client as client:
        answer = client.post("/api/v1/predict", json=APPLICANT).json()
    assert answer["data"]["default_risk"] == "Low"
    story.known["answer"] = answer["data"]
    story.known["key"] = story.container.run("cat", "/state/api_key")


def test_07_it_sees_that_applicants_have_changed(story: Story) -> None:
    with story.client as client:
        client.post("/predict", json={"applications": SHIFTED}).raise_for_status()
        verdict = wait_for(
            lambda: client.get("/api/v1/drift").json()["data"], lambda found: found.get("status") == "drift", 120
        )
    story.known["samples"] = verdict["window"]["samples"]
    assert story.known["samples"] > 200


def test_08_a_portfolio_is_scored_in_bulk(story: Story) -> None:
    job_id = story.job()
    done = wait_for(lambda: story.stands(job_id), lambda job: job["status"] not in {"PENDING", "PROGRESS"}, 240)
    assert (done["status"], done["completed"] + done["rejected"]) == ("SUCCESS", ROWS)
    story.known["digest"] = story.digest(job_id)


def test_09_killed_in_the_middle_of_a_job_it_is_gone_at_once(story: Story) -> None:
    job_id = story.known["job"] = story.job()
    job = wait_for(lambda: story.stands(job_id), lambda job: job["status"] != "PENDING", 60)
    assert job["status"] == "PROGRESS"
    story.container.kill()
    assert story.container.state()["ExitCode"] == 137


def test_10_another_one_on_the_same_volume_has_the_same_key(story: Story) -> None:
    story.container.remove()
    story.container.start()
    assert story.container.run("cat", "/state/api_key") == story.known["key"]
    with story.client as client:
        answer = client.post("/api/v1/predict", json=APPLICANT).json()["data"]
    before = story.known["answer"]
    assert (answer["probability"], answer["model_version"]) == (before["probability"], before["model_version"])


def test_11_the_job_is_finished_to_the_last_byte(story: Story) -> None:
    job_id = story.known["job"]
    done = wait_for(lambda: story.stands(job_id), lambda job: job["status"] not in {"PENDING", "PROGRESS"}, 240)
    assert done["status"] == "SUCCESS"
    assert story.digest(job_id) == story.known["digest"]


def test_12_the_decision_is_found_again(story: Story) -> None:
    said = story.known["answer"]
    found = story.container.run("python", "-m", "loan_default.cli", "decision", said["decision_id"], "--json")
    assert json.loads(found)["probability"] == said["probability"]


def test_13_the_drift_monitor_has_not_forgotten_what_it_saw(story: Story) -> None:
    with story.client as client:
        verdict = client.get("/api/v1/drift").json()["data"]
    assert verdict["status"] == "drift"
    assert verdict["window"]["samples"] >= story.known["samples"]


@pytest.mark.parametrize("service", ["JobWorker", "LoanDefault"])
def test_14_a_process_that_dies_makes_it_unready_and_ends_it(story: Story, service: str) -> None:
    assert story.container.status("/readyz") == 200
    before = time.monotonic()
    story.container.kill_one(service)
    seen = set()
    while story.container.running:
        seen.add(story.container.status("/readyz"))
        assert time.monotonic() - before < 20, story.container.logs()[-4000:]
    assert story.container.state()["ExitCode"] == 1
    assert 503 in seen
    assert "was killed by SIGKILL: the server ends" in story.container.logs()
    story.container.remove()
    story.container.start()


def test_15_when_it_is_stopped_it_ends_well(story: Story) -> None:
    before = time.monotonic()
    story.container.engine.answer("stop", "--time=30", story.container.name)
    assert time.monotonic() - before < 17
    assert story.container.state()["ExitCode"] == 0

"""Who is compared: how each server is started, asked and understood."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.environments import RIVALS, ROOT, RivalFailed, surroundings
from benchmarks.environments import environment as made
from benchmarks.online.subject import Applicant, Subject, environment
from loan_default.served import REGISTERED_NAME
from loan_default.settings import Settings

CONNECTIONS = 32

_KEY = "benchmark-key"
_PORT = "{port}"
_JSON = {"Content-Type": "application/json"}
# Every part that production has on is on; the limit is there, and higher than anybody can go.
_EVERYTHING_ON = {
    "API_KEY": _KEY,
    "RATE_LIMIT_PER_MINUTE": "1000000000",
    "DECISION_LOG": "best-effort",
    "DRIFT_SAMPLING_RATE": "0",
    "LOG_FORMAT": "json",
}


@dataclass(frozen=True)
class Server:
    """One server.

    Attributes:
        title: its name in the table.
        command: what starts it; `{port}`, `{second_port}` and `{third_port}` become free ones.
        variables: its whole environment, with the same placeholders.
        ready: the path that answers 200 when it is ready.
        path: where applicants are posted.
        body: the JSON that asks for some applicants, in its own protocol.
        pds: the PDs in its answer.
        tolerance: how far its PDs may lie from the model's own.
    """

    title: str
    command: Sequence[str]
    variables: Mapping[str, str]
    ready: str
    path: str
    body: Callable[[Sequence[Applicant]], Any]
    pds: Callable[[Any], list[float]]
    headers: Mapping[str, str] = field(default_factory=lambda: dict(_JSON))
    tolerance: float = 1e-6

    def having(self, **variables: str) -> "Server":
        """The same server with these variables."""
        return replace(self, variables={**self.variables, **variables})

    def bodies(self, applicants: Sequence[Applicant], size: int) -> list[str]:
        """One body for each `size` applicants."""
        groups = [applicants[i : i + size] for i in range(0, len(applicants) - size + 1, size)]
        return [json.dumps(self.body(group), separators=(",", ":")) for group in groups]


@dataclass(frozen=True)
class Place:
    """What a server is built around: the model and where environments are kept (None: none may be made)."""

    subject: Subject
    cache: Path | None

    def python(self, requirements: str) -> Path:
        """The Python of a rival's own environment; raises RivalFailed when there is none."""
        if self.cache is None:
            raise RivalFailed("left out by --offline")
        return made(self.cache, RIVALS / requirements)


def ours(place: Place, workers: int = 1) -> Server:
    """Our REST face with everything on."""
    return Server(
        title="ours, everything on",
        command=[str(_here("bentoml")), "serve", "service:LoanDefault", "--host", "127.0.0.1", "--port", _PORT],
        variables={**environment(place.subject.state), **_EVERYTHING_ON, "WORKERS": str(workers)},
        ready="/readyz",
        path="/api/v1/predict",
        body=_only,
        pds=lambda answer: [answer["data"]["probability"]],
        headers={**_JSON, "X-API-Key": _KEY},
        tolerance=0.0,
    )


def ours_native(place: Place, workers: int = 1) -> Server:
    """The same server by BentoML's own face: lists."""
    rest = ours(place, workers)
    return Server(
        title="ours, BentoML's own `predict`",
        command=rest.command,
        variables=rest.variables,
        ready=rest.ready,
        path="/predict",
        body=lambda applicants: {"applications": list(applicants)},
        pds=lambda answer: [prediction["probability"] for prediction in answer],
        headers=rest.headers,
        tolerance=0.0,
    )


def limit(place: Place) -> Server:
    """A bare ASGI function under uvicorn: what Python can do at best."""
    return Server(
        title="limit: bare ASGI under uvicorn",
        command=[sys.executable, "-m", "benchmarks.rivals.bare_asgi", str(place.subject.folder), _PORT],
        variables=environment(place.subject.state),
        ready="/",
        path="/",
        body=_only,
        pds=_probability,
    )


def fastapi_pandas(place: Place) -> Server:
    """What most teams write."""
    return _program(
        place, "fastapi_pandas.txt", "fastapi_pandas", "FastAPI + pandas + scikit-learn pipeline", "/healthz"
    )


def stock_bentoml(place: Place) -> Server:
    """BentoML with a batchable API and every setting as it comes."""
    service = "benchmarks.rivals.stock_bentoml:Stock"
    variables = environment(place.subject.state)
    return Server(
        title="BentoML `batchable=True`, stock",
        command=[str(_here("bentoml")), "serve", service, "--host", "127.0.0.1", "--port", _PORT],
        variables={**variables, "MODEL_FOLDER": str(place.subject.folder), "PYTHONPATH": str(ROOT)},
        ready="/readyz",
        path="/predict",
        body=lambda applicants: {"applicants": list(applicants)},
        pds=list,
    )


def mlserver(place: Place) -> Server:
    """MLServer with adaptive batching."""
    python = place.python("mlserver.txt")
    folder = python.parents[2] / "mlserver"
    folder.mkdir(exist_ok=True)
    settings = {
        "name": "loan",
        "implementation": "benchmarks.rivals.mlserver_custom.Loan",
        "max_batch_size": CONNECTIONS,
        "max_batch_time": 0.001,
        "parameters": {"uri": str(place.subject.folder)},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings), encoding="utf-8")
    return Server(
        title="MLServer, adaptive batching",
        command=[str(python.with_name("mlserver")), "start", str(folder)],
        variables={
            **_elsewhere(),
            "MLSERVER_DEBUG": "false",
            "MLSERVER_PARALLEL_WORKERS": "0",  # one process, as the others: for so small a model it is its cheapest way
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": _PORT,
            "MLSERVER_GRPC_PORT": "{second_port}",
            "MLSERVER_METRICS_PORT": "{third_port}",
            "MLSERVER_METRICS_DIR": str(folder / "metrics"),
            "MLSERVER_ENVIRONMENTS_DIR": str(folder / "environments"),
        },
        ready="/v2/models/loan/ready",
        path="/v2/models/loan/infer",
        body=_v2,
        pds=lambda answer: list(answer["outputs"][0]["data"]),
    )


def litserve(place: Place) -> Server:
    """LitServe with batching."""
    return _program(place, "litserve.txt", "litserve_custom", "LitServe, batched", "/health")


def mlflow(place: Place) -> Server:
    """The registered model as MLflow itself serves it, from our environment."""
    model = f"models:/{REGISTERED_NAME}@production"
    settings = Settings(_env_file=None, state_dir=place.subject.state, mlflow_tracking_uri=None)
    serve = ["models", "serve", "-m", model, "--env-manager", "local", "--host", "127.0.0.1", "--port", _PORT]
    return Server(
        title="`mlflow models serve`",
        command=[str(_here("mlflow")), *serve],
        variables={**environment(place.subject.state), "MLFLOW_TRACKING_URI": settings.tracking_uri},
        ready="/ping",
        path="/invocations",
        body=lambda applicants: {"dataframe_records": list(applicants)},
        pds=lambda answer: [row["probability"] for row in answer["predictions"]],
    )


def _program(place: Place, requirements: str, module: str, title: str, ready: str) -> Server:
    """A program of benchmarks/rivals that takes one applicant and answers with a probability."""
    python = place.python(requirements)
    return Server(
        title=title,
        command=[str(python), "-m", f"benchmarks.rivals.{module}", str(place.subject.folder), _PORT],
        variables=_elsewhere(),
        ready=ready,
        path="/predict",
        body=_only,
        pds=_probability,
    )


def _v2(applicants: Sequence[Applicant]) -> dict[str, Any]:
    rows = [list(applicant.values()) for applicant in applicants]
    shape = [len(rows), len(rows[0])]
    data = [value for row in rows for value in row]
    return {"inputs": [{"name": "columns", "shape": shape, "datatype": "FP64", "data": data}]}


def _elsewhere() -> dict[str, str]:
    """What a Python of another environment is given: nothing of ours but the rivals' own modules."""
    return {**surroundings(), "PYTHONPATH": str(ROOT)}


def _only(applicants: Sequence[Applicant]) -> Applicant:
    (applicant,) = applicants
    return applicant


def _probability(answer: Any) -> list[float]:
    return [answer["probability"]]


def _here(command: str) -> Path:
    return Path(sys.executable).with_name(command)


SERVERS: dict[str, Callable[[Place], Server]] = {
    "ours": ours,
    "limit": limit,
    "fastapi": fastapi_pandas,
    "bentoml": stock_bentoml,
    "mlserver": mlserver,
    "litserve": litserve,
    "mlflow": mlflow,
}

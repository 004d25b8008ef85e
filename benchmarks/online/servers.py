"""Who is compared: how each server is started, asked and understood."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.environments import RIVALS, RivalFailed
from benchmarks.environments import environment as made
from benchmarks.online.subject import Applicant, Subject, environment

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
        command: what starts it; `{port}` in it becomes a free port.
        variables: its whole environment.
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
}

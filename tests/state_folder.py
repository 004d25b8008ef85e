"""What a state folder with something of everything holds, without the minute that a training takes."""

import sqlite3
from contextlib import closing
from pathlib import Path

FILES = {
    "api_key": "the-key-of-the-first-start\n",
    "api_keys": "analyst score sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n",
    "served/production.json": '{"tag": "loan_default:1-c0ffee00", "folder": "models/loan_default/1-c0ffee00"}',
    "bentoml/models/loan_default/1-c0ffee00/model.yaml": "name: loan_default\n",
    "bentoml/models/loan_default/1-c0ffee00/mlflow_model/MLmodel": "flavors: {}\n",
    "bentoml/models/loan_default/latest": "1-c0ffee00",
    "bentoml/bentos/loan_default/abc/bento.yaml": "service: service:LoanDefault\n",
    "mlartifacts/run/artifacts/card.html": "<p>card</p>",
    "running/0123456789abcdef0123456789abcdef": "",
    "decisions/20261124T180244.123Z-4711-5f3a9c01.jsonl": '{"id":"1"}\n{"id":"2"}\n',
    "drift/windows/loan_default_1-c0ffee00/watch.json": "{}",
    "drift/windows/loan_default_1-c0ffee00/window.npy": "\x93NUMPY",
    f"jobs/files/{'a' * 32}/job.json": "{}",
    f"jobs/files/{'a' * 32}/parts/000000.part": "part",
}
# What is made again, or is somebody else's.
LEFT_OUT = {
    "served/.promotion.lock": "",
    "served/production.followed": "",
    "served/production.json.tmp": "{",
    "bentoml/tmp/x": "runtime",
    "bentoml/models/loan_default/2-deadbeef/mlflow_model/MLmodel": "half an import",
    "running/.lock": "",
    "decisions/.retention.lock": "",
    "drift/lock": "",
    "drift/set-aside/watch.json": "{}",
    f"jobs/files/{'a' * 32}/results.parquet.0a1b2c3d.draft": "half",
    "jobs/workers/worker-1": "",
    "mlflow.lock": "",
    "benchmarks/online.json": "{}",
}
DATABASES = {"mlflow.db", "jobs/jobs.sqlite"}


def write(state: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="latin-1")


def database(path: Path, rows: int = 1) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE kept (value)")
        connection.executemany("INSERT INTO kept VALUES (?)", [(i,) for i in range(rows)])


def held(state: Path) -> dict[str, bytes]:
    """All files of a folder but databases."""
    found = {path.relative_to(state).as_posix(): path for path in state.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name not in DATABASES}

"""Containers of the images that `make image` makes, run as docs/container.md says: hardened, one volume."""

import json
import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from installation import free_port

from deploy.engine import Engine, find_engine
from loan_default import __version__

# As docs/container.md has them.
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
_READY_WITHIN_S = 240


def engine_with(name: str) -> Engine:
    """The engine of this machine, which has an image; skips the test where there is none."""
    try:
        engine = find_engine()
    except SystemExit as problem:
        pytest.skip(str(problem))
    if not engine.has_image(f"{name}:{__version__}"):
        pytest.skip(f"there is no image {name}:{__version__}: `make image` builds loan_default, `make prove` does all")
    return engine


@dataclass
class Container:
    """A container on the host's network, listening on loopback alone."""

    engine: Engine
    image: str
    volume: str
    variables: Mapping[str, str]
    name: str = field(default_factory=lambda: f"loan-default-test-{os.getpid()}-{time.monotonic_ns()}")
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, ready: str = "/readyz") -> None:
        """Start a new container, and wait until `ready` is answered with 200."""
        self.run_once()
        deadline = time.monotonic() + _READY_WITHIN_S
        while self.status(ready) != 200:
            if time.monotonic() > deadline or not self.running:
                pytest.fail(f"{ready} is not answered:\n{self.logs()[-4000:]}")
            time.sleep(0.2)

    def run_once(self, *command: str) -> None:
        """Start a new container, with another command than the image's own if there is one."""
        variables = {**self.variables, "BENTOML_HOST": "127.0.0.1", "BENTOML_PORT": str(self.port)}
        options = [f"--env={name}={value}" for name, value in variables.items()]
        options += [*_limits(), "--network=host", f"--volume={self.volume}:/state", *HARDENED]
        image = f"{self.image}:{__version__}"
        self.engine.answer("run", "--detach", f"--name={self.name}", *options, image, *command)

    def status(self, path: str) -> int | None:
        """The status of an answer; None without one."""
        try:
            return httpx.get(self.url + path, timeout=5).status_code
        except httpx.TransportError:
            return None

    def client(self) -> httpx.Client:
        """An HTTP client with the key that the container made for itself."""
        key = self.run("cat", "/state/api_key")
        return httpx.Client(base_url=self.url, headers={"X-API-Key": key}, timeout=60)

    def run(self, *command: str) -> str:
        """What a command inside prints."""
        return self.engine.answer("exec", self.name, *command)

    def python(self, code: str) -> str:
        """The same of Python code."""
        return self.run("python", "-c", code)

    def state(self) -> dict[str, Any]:
        """What the engine knows of its process."""
        found: dict[str, Any] = json.loads(self.engine.answer("inspect", "--format={{json .State}}", self.name))
        return found

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return bool(self.state()["Running"])

    def wait(self, within_s: float) -> int:
        """Its exit code, when it has ended."""
        deadline = time.monotonic() + within_s
        while self.running:
            assert time.monotonic() < deadline, f"it still runs:\n{self.logs()[-4000:]}"
            time.sleep(0.05)
        return int(self.state()["ExitCode"])

    def logs(self) -> str:
        """What it has logged."""
        done = subprocess.run(
            [self.engine.name, "logs", self.name],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.stdout

    def pids(self, service: str) -> Sequence[int]:
        """The processes inside, by their ids there, that BentoML runs for a service."""
        return json.loads(self.python(_FIND.replace("SERVICE", service)))  # type: ignore[no-any-return]

    def kill_one(self, service: str) -> None:
        """End one of them as a lack of memory would."""
        self.python(f"import os; os.kill({self.pids(service)[0]}, 9)")

    def kill(self) -> None:
        """End all of it at once, as a power cut would."""
        self.engine.answer("kill", "--signal=KILL", self.name)
        self.wait(10)

    def remove(self) -> None:
        """Leave nothing but its volume behind."""
        subprocess.run([self.engine.name, "rm", "--force", self.name], check=False, capture_output=True)


def _limits() -> list[str]:
    """The engine's own limits are above those that a machine inside another one may set."""
    kinds = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    most = {name: min(resource.getrlimit(kind)[1] % 2**63, 32_768) for name, kind in kinds.items()}
    return [f"--ulimit={name}={number}:{number}" for name, number in most.items()]


_FIND = """
import json, pathlib
found = []
for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    words = path.read_bytes().split(b"\\0")
    if b"--service-name" in words and words[words.index(b"--service-name") + 1] == b"SERVICE":
        found.append(int(path.parent.name))
print(json.dumps(found))
"""

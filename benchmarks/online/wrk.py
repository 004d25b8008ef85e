"""Runs wrk, the load generator, and reads what `load.lua` prints at its end."""

import json
import resource
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from benchmarks.environments import RivalFailed

_SCRIPT = Path(__file__).with_name("load.lua")
_MARK = "LOAD "
# A slow answer is a figure; only one that never comes is an error.
_TIMEOUT_S = 30


class Load(BaseModel):
    """What came of one load.

    Attributes:
        requests: answered, whatever the status.
        duration_us: how long it took; the latencies are in µs too.
        refused_or_failed: answers with a status of 400 or more.
        connect, read, write, timeout: failures without an answer.
        statuses: how often each status came; only when they were asked for.
        refusals: of those, 429 and 503; `with_retry_after` of them said when to come again.
        generator_cpu_s: CPU seconds that wrk itself took.
    """

    model_config = ConfigDict(frozen=True)

    requests: int
    duration_us: int
    p50_us: int
    p99_us: int
    max_us: int
    connect: int
    read: int
    write: int
    timeout: int
    refused_or_failed: int
    statuses: dict[str, int]
    refusals: int
    with_retry_after: int
    generator_cpu_s: float = 0.0

    @classmethod
    def parse(cls, output: str) -> Self:
        """Read the line that `load.lua` printed; raises RivalFailed when there is none."""
        for line in output.splitlines():
            if line.startswith(_MARK):
                return cls.model_validate(json.loads(line.removeprefix(_MARK)))
        raise RivalFailed(f"wrk printed no result:\n{output}")

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / (self.duration_us / 1e6)

    @property
    def errors(self) -> int:
        """Everything that was not a plain answer."""
        return self.connect + self.read + self.write + self.timeout + self.refused_or_failed


def require_wrk() -> str:
    """The path of wrk; raises RivalFailed with how to install it."""
    found = shutil.which("wrk")
    if found is None:
        raise RivalFailed("wrk, the load generator, is not installed: `apt-get install wrk` on Debian or Ubuntu.")
    return found


def load(  # noqa: PLR0913  # a load has that many sides
    url: str, bodies: Path, headers: Mapping[str, str], *, connections: int, seconds: float, statuses: bool = False
) -> Load:
    """Post the bodies of a file in turn over so many connections, each sending its next one when the last is answered.

    One thread: the generator shall take no more than one core, and the order of the bodies is then the same each time.
    """
    command = [require_wrk(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"--timeout={_TIMEOUT_S}s"]
    command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command += ["-s", str(_SCRIPT), url, "--", str(bodies), *(["statuses"] if statuses else [])]
    before = _children_cpu_s()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RivalFailed(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return Load.parse(done.stdout).model_copy(update={"generator_cpu_s": _children_cpu_s() - before})


def _children_cpu_s() -> float:
    """CPU seconds of the ended children of this process, of which wrk is the last."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

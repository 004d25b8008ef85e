"""Docker or Podman, whichever answers, by their common command line."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deploy.uv_folder import INSIDE


@dataclass(frozen=True)
class Engine:
    """What builds images and runs containers on this machine.

    Attributes:
        name: its command, which is also what BentoML calls it.
    """

    name: Literal["docker", "podman"]

    def run(self, *arguments: str) -> None:
        """Run a command of the engine, its output shown; a failure ends this program with the engine's message."""
        subprocess.run([self.name, *arguments], check=True)

    def answer(self, *arguments: str) -> str:
        """What a command of the engine prints."""
        done = subprocess.run([self.name, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def has_image(self, image: str) -> bool:
        """Whether an image is stored on this machine."""
        return _succeeds(self.name, "image", "inspect", image)

    def build_options(self, uv_folder: str | None = None) -> Sequence[str]:
        """What a build needs beyond a Containerfile.

        Podman builds in a chroot on the host's network, which works without privileges that CI machines and sandboxes
        withhold, and sees `uv_folder` (`deploy/uv_folder.py`). Docker's builds cannot be lent a folder.
        """
        if self.name == "docker":
            return ()
        lent = () if uv_folder is None else (f"volume={uv_folder}:{INSIDE}",)
        return ("network=host", "isolation=chroot", *lent)

    @property
    def format_options(self) -> Sequence[str]:
        """What makes the engine keep a HEALTHCHECK, which the OCI's own format does not know."""
        return () if self.name == "docker" else ("--format", "docker")


def find_engine() -> Engine:
    """The engine of this machine; Docker when its daemon answers."""
    if _succeeds("docker", "info"):
        return Engine("docker")
    if _succeeds("podman", "info"):
        return Engine("podman")
    raise SystemExit("Neither docker nor podman answers: install one (Debian's package podman will do), or start it.")


def _succeeds(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0

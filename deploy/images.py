"""Builds the images; `make image` runs it.

    python -m deploy.images bento       loan_default: API, job worker, light drift monitor
    python -m deploy.images drift       loan_default_drift: the drift monitor with Evidently
    python -m deploy.images training    loan_default_training: training, MLflow's server, the command

Each is tagged with the version of the project, a Bento's with the Bento's own version too.
"""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml

from deploy.engine import Engine, find_engine
from deploy.uv_folder import uv_folder
from loan_default import __version__
from loan_default.errors import ModelUnavailable
from loan_default.image import BASE_IMAGE
from loan_default.served import find_served
from loan_default.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parent.parent
_BENTOFILES = {"bento": "bentofile.yaml", "drift": "drift/bentofile.yaml"}
_NAMES = {"bento": "loan_default", "drift": "loan_default_drift", "training": "loan_default_training"}


def main(kinds: list[str]) -> None:
    """Build the images of `kinds`."""
    unknown = set(kinds) - set(_NAMES)
    if unknown or not kinds:
        raise SystemExit(f"Name what to build: {', '.join(_NAMES)}.")
    settings = read_settings()
    engine = find_engine()
    subprocess.run([ROOT / "deploy" / "base-image.sh", engine.name], check=True)
    for kind in kinds:
        image = build_training(engine, settings) if kind == "training" else build_bento(engine, settings, kind)
        size = int(engine.answer("image", "inspect", "--format", "{{.Size}}", image))
        base = int(engine.answer("image", "inspect", "--format", "{{.Size}}", BASE_IMAGE))
        print(f"{image}: {size / 1e6:.0f} MB, {(size - base) / 1e6:.0f} MB of it above {BASE_IMAGE}")


def build_bento(engine: Engine, settings: Settings, kind: str) -> str:
    """Build a Bento, have BentoML containerize it, and finish the image; returns its name."""
    if kind == "bento":
        _train_when_needed(settings)
    name, version = _bento(settings, _BENTOFILES[kind])
    unfinished = f"{name}-unfinished:{version}"
    with uv_folder(settings.state) as lent:
        options = [f"--opt={option}" for option in engine.build_options(str(lent))]
        _bentoml(settings, "containerize", f"{name}:{version}", "--backend", engine.name, "-t", unfinished, *options)
    if not engine.has_image(unfinished):
        raise SystemExit("BentoML made no image; its messages are above.")
    manifest = yaml.safe_load((_bento_folder(settings, name, version) / "bento.yaml").read_text(encoding="utf-8"))
    models = [model["tag"] for service in manifest["services"] for model in service.get("models", [])]
    labels = {"loan-default.bento": f"{name}:{version}", "loan-default.model": ",".join(models)}
    image = f"{_NAMES[kind]}:{__version__}"
    arguments = [f"--build-arg=BENTO={_local(engine, unfinished)}", *_labels(_NAMES[kind], labels)]
    containerfile = str(ROOT / "deploy" / "bento.Containerfile")
    names = ["--tag", image, "--tag", f"{_NAMES[kind]}:{version}"]
    options = [*engine.format_options, *(f"--{option}" for option in engine.build_options())]
    engine.run("build", "--quiet", *options, *arguments, *names, "--file", containerfile, str(ROOT / "deploy"))
    engine.run("rmi", "--no-prune", unfinished)  # the name alone: its layers make the next build fast
    return image


def build_training(engine: Engine, settings: Settings) -> str:
    """Build the image for training and for MLflow's server; returns its name."""
    image = f"{_NAMES['training']}:{__version__}"
    with uv_folder(settings.state) as lent:
        options = [f"--{option}" for option in engine.build_options(str(lent))]
        engine.run(
            "build",
            "--quiet",
            *engine.format_options,
            *options,
            *_labels(_NAMES["training"], {}),
            *("--tag", image),
            *("--file", str(ROOT / "deploy" / "training.Containerfile")),
            str(ROOT),
        )
    return image


def _train_when_needed(settings: Settings) -> None:
    try:
        find_served(settings, ROOT)
    except ModelUnavailable as problem:
        print(f"{problem} Training one now.")
        subprocess.run([sys.executable, "train.py"], cwd=ROOT, check=True)


def _bento(settings: Settings, bentofile: str) -> tuple[str, str]:
    """Build a Bento; returns its name and version, which is BENTO_VERSION where a release says so."""
    version = os.environ.get("BENTO_VERSION")
    if version:  # what a release that was broken off has left
        name = yaml.safe_load((ROOT / bentofile).read_text(encoding="utf-8"))["name"]
        if _bento_folder(settings, name, version).exists():
            _bentoml(settings, "delete", f"{name}:{version}", "--yes")
    said = ["--version", version] if version else []
    built = _bentoml(settings, "build", "-f", bentofile, *said, "-o", "tag", ".")
    tag = re.search(r"__tag__:([\w.-]+):([\w.-]+)", built)
    if tag is None:
        raise SystemExit(f"BentoML built no Bento: {built}")
    return tag[1], tag[2]


def _bentoml(settings: Settings, *arguments: str) -> str:
    """Run `bentoml` in the store that this project uses; returns what it printed on stdout."""
    environment = {**os.environ, "BENTOML_HOME": str(settings.bentoml_store), "STATE_DIR": str(settings.state)}
    environment["BENTOML_DO_NOT_TRACK"] = "True"
    command = [sys.executable, "-m", "bentoml", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout


def _bento_folder(settings: Settings, name: str, version: str) -> Path:
    return settings.bentoml_store / "bentos" / name / version


def _local(engine: Engine, image: str) -> str:
    """The name under which a build finds an image of this machine without asking a registry."""
    return image if engine.name == "docker" else f"localhost/{image}"


def _labels(title: str, more: dict[str, str]) -> list[str]:
    standard = {
        "title": title,
        "version": __version__,
        "revision": _revision(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "licenses": "Apache-2.0",
        "base.name": BASE_IMAGE,
    }
    labels = {f"org.opencontainers.image.{name}": value for name, value in standard.items()} | more
    return [f"--label={name}={value}" for name, value in labels.items()]


def _revision() -> str:
    """The commit, with `-dirty` when the sources differ from it; unknown outside of a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main(sys.argv[1:])

"""Overlays of k8s/ as kubectl renders them, for tests; rendered once."""

import copy
import os
import shutil
from functools import cache
from pathlib import Path

import pytest

from k8s.checks import tools
from k8s.checks.manifests import Document, Manifests
from k8s.checks.render import read, render

ROOT = Path(__file__).resolve().parents[1]
OVERLAYS = ("dev", "production")
# Files of an overlay of one's own, whose jobs keep their files in an object store.
IN_AN_OBJECT_STORE = {
    "overlays/own/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: own}\n",
    "overlays/own/kustomization.yaml": """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: own
resources:
  - namespace.yaml
  - ../../cluster
components:
  - ../../components/jobs-object-storage
  - ../../components/pod-monitor
configMapGenerator:
  - name: loan-default
    behavior: merge
    literals:
      - JOB_STORAGE_URL=s3://bucket/jobs
      - AWS_REGION=eu-central-1
""",
}


def require_tools() -> None:
    """Skip a test without the environment of `make manifests`; CI has it."""
    if not (tools.ENVIRONMENT / ".installed").exists():
        assert not os.environ.get("CI"), "CI must have it: make manifests"
        pytest.skip("no environment for Kubernetes; `make manifests` makes it")


@cache
def text(folder: Path) -> str:
    """What kubectl renders of a folder."""
    require_tools()
    return render(folder)


def overlay(name: str) -> Manifests:
    """The objects of an overlay; the caller may change them."""
    return read(text(ROOT / "k8s" / "overlays" / name))


def rendered_copy(folder: Path, changes: dict[str, str]) -> str:
    """What kubectl renders of `overlays/own` in a copy of k8s/ with files of one's own, by their paths in it."""
    require_tools()
    shutil.copytree(ROOT / "k8s", folder / "k8s", ignore=shutil.ignore_patterns("checks"))
    for name, content in changes.items():
        path = folder / "k8s" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return render(folder / "k8s" / "overlays" / "own")


def changed(manifests: Manifests) -> Manifests:
    """A copy to break."""
    documents: list[Document] = copy.deepcopy(manifests.documents)
    return Manifests(documents)

"""From the folder of an overlay to its objects, by kubectl's own kustomize."""

from pathlib import Path
from typing import Any

import yaml

from k8s.checks.manifests import Manifests
from k8s.checks.tools import run


def render(overlay: Path) -> str:
    """What `kubectl apply -k` would apply, YAML.

    Raises:
        ToolFailed: kubectl is not there, or cannot render it.
    """
    return run("kubectl", "kustomize", overlay)


def read(text: str) -> Manifests:
    """The objects of rendered YAML."""
    documents: list[Any] = list(yaml.safe_load_all(text))
    return Manifests([document for document in documents if document])

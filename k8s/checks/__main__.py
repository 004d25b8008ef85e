"""The command: render overlays, check them, print what is wrong.

Exit code 0: nothing is. 1: something is. 2: a tool is missing or failed.
"""

import sys
from pathlib import Path

from k8s.checks import environment, network, outside, paths, references, room, timing
from k8s.checks.render import read, render
from k8s.checks.tools import ToolFailed

_CHECKS = (references, environment, paths, network, timing, room)


def problems_of(text: str) -> list[str]:
    """Everything that is wrong with rendered YAML."""
    found = outside.schema_problems(text)
    if not found:  # what is no Kubernetes object cannot be read as one
        manifests = read(text)
        found = [problem for check in _CHECKS for problem in check.problems(manifests)]
    return found + outside.policy_problems(outside.policy_findings(text))


def main(overlays: list[Path]) -> int:
    """Check each overlay, and say how it stands."""
    wrong = 0
    for overlay in overlays:
        try:
            text = render(overlay)
            found = problems_of(text)
        except ToolFailed as failure:
            print(f"{overlay}: {failure}", file=sys.stderr)
            return 2
        for problem in found:
            print(f"{overlay}: {problem}")
        wrong += len(found)
        print(f"{overlay}: {len(read(text).documents)} objects, {len(found)} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))

"""Pages that show commands and what they answer: read, run block by block, compared with that, and written anew.

A page has blocks of shell (```sh) and Python (```python). What follows one of them, `→ STATUS` of its last curl and a
block of JSON or text, is its answer. All blocks of a page share a folder, and those of shell share their variables.
"""

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_PIECE = re.compile(
    r"```(?P<language>sh|python)\n(?P<code>.*?)```\n"
    r"(?P<answer>\n(?:→ (?P<status>\d{3})\n\n)?(?:```(?P<kind>json|text)\n(?P<shown>.*?)```\n)?)?",
    re.DOTALL,
)
_SECONDS = 240  # jobs and the drift monitor wait for a machine that is busy

# What is never twice the same, wherever it stands in a string: ids, times, the hash in a model's tag, seconds to wait.
_IN_STRINGS = {
    r"\b[0-9a-f]{32}\b": "ID",
    r"\b\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|\+00:00)": "TIME",
    r"\b(loan_default:\d+)-[0-9a-f]{8}\b": r"\1-HASH",
    r"\btry again in \d+ s\b": "try again in a while",
}
# Fields that a clock decides.
_CLOCKED = {"rows_per_second", "seconds_left", "seconds"}
# A list that grows with time; its last item is compared.
_GROWING = "trend"
_WIDTH = 120
_MANY = 30


def blocks(page: str, language: str) -> list[str]:
    """The code of a page's blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)


def approximately(value: Any) -> Any:
    """A structure whose numbers are compared to nine digits: another machine's libm may round the last one."""
    if isinstance(value, dict):
        return {key: approximately(item) for key, item in value.items()}
    if isinstance(value, list):
        return [approximately(item) for item in value]
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def without_chance(value: Any, key: str = "") -> Any:
    """A structure in which what differs from run to run is replaced by what it is."""
    if isinstance(value, dict):
        return {name: without_chance(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [without_chance(item) for item in (value[-1:] if key == _GROWING else value)]
    if key in _CLOCKED:
        return "CLOCKED"
    if isinstance(value, str):
        for pattern, name in _IN_STRINGS.items():
            value = re.sub(pattern, name, value)
    return value


@dataclass(frozen=True)
class Answer:
    """What a block got: the status of its last curl, if it called any, and what it printed."""

    status: str | None
    printed: str

    def as_shown(self) -> str:
        """How a page shows it; what prints nothing is not shown."""
        if not self.printed:
            return ""
        status = f"→ {self.status}\n\n" if self.status else ""
        try:
            content = json.loads(self.printed)
        except ValueError:
            return f"\n{status}```text\n{self.printed.rstrip()}\n```\n"
        return f"\n{status}```json\n{in_lines(content)}\n```\n"

    def comparable(self) -> object:
        """Its content without what differs from run to run."""
        try:
            return without_chance(json.loads(self.printed))
        except ValueError:
            return without_chance([_numbers_rounded(line.rstrip()) for line in self.printed.rstrip().splitlines()])


def in_lines(value: Any, indent: str = "") -> str:
    """JSON to be read: what fits into a line stands in one, many simple values are filled into lines."""
    flat = json.dumps(value, ensure_ascii=False)
    inner = indent + "  "
    if not value or not isinstance(value, dict | list) or (indent and len(indent + flat) < _WIDTH - 30):
        return flat
    if isinstance(value, dict):
        items = [f'"{name}": {in_lines(item, inner)}' for name, item in value.items()]
    else:
        items = [in_lines(item, inner) for item in value]
    simple = all("\n" not in item for item in items) and len(items) > _MANY
    lines = _filled(items, inner) if simple else ",\n".join(inner + item for item in items)
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{lines}\n{indent}{last}"


def _filled(items: list[str], indent: str) -> str:
    text = ", ".join(item.replace(" ", "\0") for item in items)  # an item is not broken
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent).replace("\0", " ")


def _numbers_rounded(line: str) -> str:
    return re.sub(r"\d+\.\d{10,}", lambda number: f"{float(number[0]):.9g}", line)


@dataclass(frozen=True)
class Example:
    """A block of a page, and the answer that is shown."""

    number: int
    heading: str
    language: str
    code: str
    shown: Answer


@dataclass
class Page:
    """A page with its examples."""

    text: str
    examples: list[Example] = field(init=False)

    def __post_init__(self) -> None:
        """Read its examples."""
        self.examples = [
            Example(
                number,
                self._heading_before(piece.start()),
                piece["language"],
                piece["code"],
                Answer(piece["status"], piece["shown"] or ""),
            )
            for number, piece in enumerate(_PIECE.finditer(self.text))
        ]

    def _heading_before(self, position: int) -> str:
        headings: list[str] = re.findall(r"^#+ (.*)$", self.text[:position], re.MULTILINE)
        return headings[-1]

    def with_answers(self, answers: Mapping[int, Answer]) -> str:
        """The page's text with these answers, by the numbers of their examples, in place of those shown."""
        numbers = iter(range(len(self.examples)))

        def anew(piece: re.Match[str]) -> str:
            number = next(numbers)
            if number not in answers:
                return piece[0]
            return f"```{piece['language']}\n{piece['code']}```\n{answers[number].as_shown()}" + _gap(piece)

        return _PIECE.sub(anew, self.text)


def _gap(piece: re.Match[str]) -> str:
    """What the pattern took of the empty line behind a block without an answer."""
    return "\n" if piece["answer"] == "\n" else ""


class Reader:
    """Somebody who runs a page's blocks, one after the other, in a folder.

    Args:
        folder: where.
        environment: with what.
        addresses: by an address as the page has it, where it really is.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], addresses: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._addresses = addresses

    def run(self, example: Example) -> Answer:
        """The answer to an example; fails the test when one of its commands fails."""
        code = example.code
        for shown, real in self._addresses.items():
            code = code.replace(shown, real)
        command = ["bash", "-c", self._remembering(code)]
        if example.language == "python":
            command = [sys.executable, "-c", code]
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{example.heading}: {done.stderr}"
        statuses = re.findall(r"^status (\d{3})$", done.stderr, re.MULTILINE)
        printed = done.stdout
        for shown, real in self._addresses.items():
            printed = printed.replace(real, shown)
        return Answer(statuses[-1] if statuses else None, printed)

    @staticmethod
    def _remembering(code: str) -> str:
        """Shell with the variables and functions of the block before, in which curl tells the status."""
        return (
            "set -eu\n[ -f .variables ] && . ./.variables\n"
            "trap 'declare -fp > .variables; export -p >> .variables' EXIT\nset -a\n"
            r"""curl() { command curl -w '%{stderr}status %{http_code}\n' "$@"; }"""
            f"\n{code}"
        )

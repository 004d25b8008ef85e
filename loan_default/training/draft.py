"""A declaration as it is being inferred, and its text: YAML as a person would write it, with what to look at."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from loan_default.schema.declaration import CsvFormat


@dataclass
class Draft:
    """What has been found so far.

    Attributes:
        file: the name of the CSV file.
        target: its header, with `labels`, the value that means default and the other one when there is just one.
        defaults: (n,) 1 for a default, 0 otherwise.
        columns, audit, ignored: entries of the declaration; names are given when the text is made.
    """

    file: str
    written: CsvFormat
    target: str
    labels: tuple[str, str | None]
    defaults: NDArray[np.int64]
    columns: list[dict[str, Any]] = field(default_factory=list)
    audit: list[dict[str, Any]] = field(default_factory=list)
    ignored: list[dict[str, Any]] = field(default_factory=list)
    id: str | None = None

    def text(self) -> str:
        """The declaration."""
        names = _Names()
        for entry in (*self.columns, *self.audit):
            entry["name"] = names.of(entry["header"])
        guess = f"A guess: {self.labels[0]!r} in {self.defaults.mean():.1%} of the rows."
        blocks: list[tuple[str, dict[str, Any]]] = [
            (_FIRST_WORDS.format(file=self.file), {"name": slug(self.file.partition(".")[0])}),
            ("How the file is written. An empty field is always a missing value.", {"csv": self._csv()}),
            ("What the model learns from and callers send.", {"columns": self.columns}),
            (guess, {"target": self._target()}),
            ("Identifies a loan; never learnt from.", {"id": self.id}),
            ("Reports are sliced by these; the model never sees them.", {"audit": self.audit}),
            ("Left alone, and why.", {"ignored": self.ignored}),
            ("What a model must reach to be promoted: starting values, to be raised.", {"gates": self._gates()}),
        ]
        return "\n".join(_block(comment, content) for comment, content in blocks if all(content.values()))

    def _csv(self) -> dict[str, Any]:
        return {**self.written.model_dump(), "missing_values": list(self.written.missing_values)}

    def _target(self) -> dict[str, Any]:
        positive, negative = self.labels
        other = {} if negative is None else {"negative": _label(negative)}
        described = f"{self.target}: {positive} means that the loan went bad."
        return {"header": self.target, "positive": _label(positive), **other, "description": described}

    def _gates(self) -> dict[str, dict[str, float]]:
        """Starting values: better than knowing the base rate alone, and calibrated as well as so many rows can show."""
        rate, rows = float(self.defaults.mean()), 0.8 * len(self.defaults)
        base = _rounded_up(rate * (1 - rate))
        # A tenth of the rows is in each bin; a perfectly calibrated model is off by √(2/π) standard errors on average.
        by_chance = math.sqrt(2 / math.pi * rate * (1 - rate) / (rows / 10))
        error = min(0.5, max(0.01, _rounded_up(2 * by_chance)))
        return {
            "production": {"roc_auc": 0.65, "recall": 0.75, "brier": base, "calibration_error": error},
            "staging": {"roc_auc": 0.6, "recall": 0.7, "brier": base, "calibration_error": round(2 * error, 3)},
        }


_FIRST_WORDS = """\
A first declaration for {file}, inferred from its values. Before a model decides about anybody, read every line:
what each column means, its unit and limits, which way more of it must move the risk, and whether it is known when
somebody applies. docs/own-data.md explains the keys."""


def _rounded_up(number: float) -> float:
    return math.ceil(number * 1000) / 1000


def _label(text: str) -> int | str:
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else text


def _block(comment: str, content: dict[str, Any]) -> str:
    lines = [f"# {line}" for line in comment.split("\n") if line]
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return "\n".join([*lines, re.sub(r"(?<!:)\n(?=  - )", "\n\n", text)])


class _Dumper(yaml.SafeDumper):
    """YAML as a person would write it: an empty line between entries, short lists on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  # PyYAML's signature
        """Indent the entries of lists too."""
        super().increase_indent(flow, indentless=False)


def _short_list(dumper: _Dumper, values: list[Any]) -> yaml.Node:
    flat = all(not isinstance(value, (dict, list)) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=flat)


_Dumper.add_representer(list, _short_list)


def slug(text: str) -> str:
    """The text as a name: small letters, digits and underscores."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:50]
    return name if re.match("[a-z]", name) else f"column_{name}".rstrip("_")


class _Names:
    """API names for headers: letters, digits and underscores, none twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, header: str) -> str:
        """A name that nobody has yet."""
        for name in self._numbered(slug(header)):
            if name not in self._taken:
                self._taken.add(name)
                return name
        raise AssertionError  # pragma: no cover  # the numbers never end

    @staticmethod
    def _numbered(slug: str) -> Iterator[str]:
        yield slug
        number = 2
        while True:
            yield f"{slug}_{number}"
            number += 1

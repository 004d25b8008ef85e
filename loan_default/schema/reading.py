"""Reads a declaration from its file. Every error names the line and the key, and all of them come in one go."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from loan_default.errors import SchemaError
from loan_default.schema.declaration import Location, Schema

DEFAULT_SCHEMA = Path(__file__).resolve().parents[2] / "data" / "Default_Fin.schema.yaml"


def load_schema(path: Path) -> Schema:
    """Read the declaration in the file `path`; see `parse_schema`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"Cannot read the declaration of columns {path}: {error}") from error
    return parse_schema(text, str(path))


def parse_schema(text: str, origin: str) -> Schema:
    """Read a declaration from YAML or JSON. `origin` names it in errors.

    Raises:
        SchemaError: neither, or not a valid declaration; says which lines and keys are wrong and why.
    """
    try:
        root, content = _parse(text)
        problems = list(_repeated_keys(root))
    except _UNPARSABLE as error:
        raise SchemaError(f"{origin} is not valid YAML: {' '.join(str(error).split())}") from error
    if not problems:
        try:
            return Schema.model_validate(content)
        except ValidationError as error:
            problems = list(_explained(root, error))
    listed = "; ".join(f"line {line}, {key}: {message}" for line, key, message in problems)
    raise SchemaError(f"{origin} is not a valid declaration of columns: {' '.join(listed.split())}")


_Problem = tuple[int, str, str]

# What PyYAML raises: its own errors, and those of Python when a tag such as !!int does not fit its value.
_UNPARSABLE = (yaml.YAMLError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError)


def _parse(text: str) -> tuple[yaml.Node | None, Any]:
    """The tree of nodes, for line numbers, and the content."""
    if text.startswith("{"):  # as a stored declaration does; JSON is YAML but for a few characters
        with suppress(ValueError, RecursionError):
            return None, json.loads(text, object_pairs_hook=_without_repeats)
    return yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key stands there twice")  # read as YAML, it gets its line
    return content


def _explained(root: yaml.Node | None, error: ValidationError) -> Iterator[_Problem]:
    """Line, key and message of each problem that pydantic found."""
    for problem in error.errors(include_url=False):
        location, message = problem["loc"], problem["msg"]
        placed = problem.get("ctx", {}).get("problems")
        if problem["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            location, message = (*location, "type"), "must be number, integer, boolean or category"
        elif location[:1] == ("columns",):
            location = (*location[:2], *location[3:])  # pydantic names the type there; the file does not
        for where, what in placed or [(location, message)]:
            yield *_place(root, where), what.removeprefix("Value error, ")


def _place(root: yaml.Node | None, location: Location) -> tuple[int, str]:
    """The line (from 1) of the deepest part of `location` that the file has, and its dotted key."""
    node, line = root, 1
    for part in location:
        line, node = _below(node, part) or (line, None)
    return line, ".".join(map(str, location)) or "the whole file"


def _below(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def _repeated_keys(root: yaml.Node | None) -> Iterator[_Problem]:
    """Keys that stand twice in one mapping: YAML would silently take the last."""
    visited: set[int] = set()  # a node can be in several places by its alias

    def of(node: yaml.Node | None, path: str) -> Iterator[_Problem]:
        if node is None or id(node) in visited:
            return
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value)
                if name in seen:
                    yield key.start_mark.line + 1, path + name, "stands there twice"
                seen.add(name)
                yield from of(value, f"{path}{name}.")
        elif isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                yield from of(item, f"{path}{i}.")

    return of(root, "")

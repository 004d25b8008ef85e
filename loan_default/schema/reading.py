"""Reads a declaration from its file. Every error names the line and the key, and all of them come in one go."""

from collections.abc import Iterator
from pathlib import Path

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
    """Read a declaration from YAML (or JSON, which is YAML too). `origin` names it in errors.

    Raises:
        SchemaError: not YAML, or not a valid declaration; says which lines and keys are wrong and why.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
        problems = list(_repeated_keys(root))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that does not exist is a plain ValueError
        raise SchemaError(f"{origin} is not valid YAML: {' '.join(str(error).split())}") from error
    if not problems:
        try:
            return Schema.model_validate(content)
        except ValidationError as error:
            problems = list(_explained(root, error))
    listed = "; ".join(f"line {line}, {key}: {message}" for line, key, message in problems)
    raise SchemaError(f"{origin} is not a valid declaration of columns: {listed}")


_Problem = tuple[int, str, str]


def _explained(root: yaml.Node | None, error: ValidationError) -> Iterator[_Problem]:
    """Line, key and message of each problem that pydantic found."""
    for problem in error.errors(include_url=False):
        if problem["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            placed = [((*problem["loc"], "type"), "must be number, integer, boolean or category")]
        else:
            placed = problem.get("ctx", {}).get("problems") or [(problem["loc"], problem["msg"])]
        for location, message in placed:
            line, key = _place(root, location)
            yield line, key, message.removeprefix("Value error, ")


def _place(root: yaml.Node | None, location: Location) -> tuple[int, str]:
    """The line (from 1) of the deepest part of `location` that the file has, and its dotted key."""
    node, line, keys = root, 1, []
    for part in location:
        below = _below(node, part)
        if below is None and _is_tag(node, part):
            continue  # pydantic names the type of a column in its path; the file does not
        keys.append(str(part))
        if below is not None:
            line, node = below
        else:
            node = None
    return line, ".".join(keys) or "the whole file"


def _below(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def _is_tag(node: yaml.Node | None, part: str | int) -> bool:
    declared = _below(node, "type")
    return declared is not None and declared[1].value == part


def _repeated_keys(node: yaml.Node | None) -> Iterator[_Problem]:
    """Keys that stand twice in one mapping: YAML would silently take the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                yield key.start_mark.line + 1, name, "stands there twice"
            seen.add(name)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)

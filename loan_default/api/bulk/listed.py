"""A list of applicants in a JSON body, taken apart without being read: the worker checks each row."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from loan_default.errors import MalformedBody

MOST_LISTED = 100_000
_LONGEST_REASON = 200

_top = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list = msgspec.json.Decoder(Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MOST_LISTED)]).decode


def rows_of(body: bytes, field: str, options: Sequence[str]) -> tuple[list[bytes], Mapping[str, Any]]:
    """The applicants of a body, each as JSON in one line, and the options beside them.

    Args:
        body: an object with the list as its `field`.
        field: `predictions` or `applications`.
        options: what else it may have.

    Raises:
        MalformedBody: it is not that.
    """
    try:
        top = _top(body)
        _require_known(top, body, field, options)
        rows = _list(top[field])
        given = {name: msgspec.json.decode(value) for name, value in top.items() if name != field}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:_LONGEST_REASON]
        raise MalformedBody(
            f'The body must be JSON, {{"{field}": [ … ]}} with 1 to {MOST_LISTED:,} applicants: {why}.'
        ) from None
    # Within JSON's strings there are no line ends.
    return [bytes(row).replace(b"\n", b" ").replace(b"\r", b" ") for row in rows], given


def _require_known(top: Mapping[str, msgspec.Raw], body: bytes, field: str, options: Sequence[str]) -> None:
    unknown = set(top) - {field, *options}
    if unknown:
        raise MalformedBody(f"`{min(unknown)[:64]}` is no field of this call; it has {', '.join([field, *options])}.")
    if field not in top:
        raise MalformedBody(f"`{field}` is missing: the list of 1 to {MOST_LISTED:,} applicants.")
    # JSON allows a name twice, and readers disagree on which counts. Each name has a colon.
    if body.count(b":") != len(top) + sum(bytes(value).count(b":") for value in top.values()):
        raise MalformedBody("A field of the body is given more than once; give it once.")

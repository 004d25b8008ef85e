"""What is known of a call: its method, and once its key was accepted who calls, and what the caller says about it."""

import re
from typing import Any, NamedTuple

from starlette.types import Scope

from loan_default.errors import InvalidHeader, WrongMethod
from loan_default.security.caller import CALLER

# Lets a caller find or erase what was decided on an applicant, by a name of the caller's own choice.
_REFERENCE_HEADER = b"x-applicant-reference"
# What a caller may call a request or an applicant: nothing that could forge a line of a log.
SAFE_NAME = "[A-Za-z0-9._:-]{1,64}"
is_safe_name = re.compile(SAFE_NAME.encode()).fullmatch


class Call(NamedTuple):
    """Who asks for a decision, and how the records call it."""

    request_id: str
    key_id: str
    reference: str


def require_method(method: str, allowed: str) -> None:
    """Raises WrongMethod unless a call has the method that its path takes; HEAD goes where GET does."""
    if method != allowed and (method, allowed) != ("HEAD", "GET"):
        raise WrongMethod(allowed)


def call_of(scope: Scope) -> Call:
    """The call of an ASGI scope that `Observe` and `KeyRequired` have passed.

    Raises:
        InvalidHeader: the applicant's reference is too long, or holds what could forge a line of a log.
    """
    caller: Any = scope[CALLER]
    return Call(scope["request_id"], caller.key_id, _reference(scope))


def _reference(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == _REFERENCE_HEADER:
            if not is_safe_name(value):
                raise InvalidHeader("X-Applicant-Reference must be 1 to 64 letters, digits or any of `. _ : -`.")
            return str(value.decode("ascii"))
    return ""

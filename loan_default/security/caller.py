"""Who calls: the id of the key that was sent, and what that key may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from loan_default.errors import MissingScope
from loan_default.metrics import KEY_REFUSALS

KeyScope = Literal["score", "operate"]
SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)

# Where the middleware leaves the caller in the ASGI scope for what comes after it.
CALLER = "caller"


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key.

    Attributes:
        key_id: the key's name in the keys file; for a key without a name the first eight hex digits of its SHA-256.
        scopes: `score` for predictions and what explains them, `operate` for what changes or reads the service itself.
    """

    key_id: str
    scopes: frozenset[KeyScope]


def require_scope(scope: Mapping[str, Any], needed: KeyScope) -> Caller:
    """The caller of this ASGI call, which must hold the scope `needed`; a refusal is counted.

    Raises:
        MissingScope: names the scope that is needed.
    """
    caller: Caller | None = scope.get(CALLER)
    if caller is None or needed not in caller.scopes:
        KEY_REFUSALS.labels("scope").inc()
        raise MissingScope(needed)
    return caller

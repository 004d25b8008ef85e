"""Who may call: API keys with scopes, where they are kept, and the ASGI middleware that asks for one.

`caller.py` says who calls and what it may do, `keys.py` gathers the valid keys from `first_key.py` (the random one) and
`keys_file.py` (named ones, as hashes), `middleware.py` asks each call for one and `attempts.py` limits wrong ones.
"""

from loan_default.security.caller import CALLER, SCOPES, Caller, KeyScope, require_scope
from loan_default.security.keys import KeyRing, Keys, load_keys
from loan_default.security.middleware import OPEN_PATHS, KeyRequired, key_of

__all__ = [
    "CALLER",
    "OPEN_PATHS",
    "SCOPES",
    "Caller",
    "KeyRequired",
    "KeyRing",
    "KeyScope",
    "Keys",
    "key_of",
    "load_keys",
    "require_scope",
]

"""Who may call: API keys, and the ASGI middleware that asks for one before anything else happens.

A key comes as `X-API-Key: KEY` or `Authorization: Bearer KEY`. Several may be valid at once, so that keys can be
rotated. No key configured means that a random one is made and kept in a file only its owner can read.
"""

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from loan_default.errors import LoanDefaultError, MissingKey, SettingsError, WrongKey
from loan_default.settings import Settings

# What a probe or Prometheus asks for, and the documentation page; nothing there is about an applicant.
OPEN_PATHS = frozenset(
    {
        *("/healthz", "/livez", "/readyz", "/metrics"),
        *("/", "/docs", "/docs/page.css", "/docs/page.js"),
        *("/static_content/swagger-ui.css", "/static_content/swagger-ui-bundle.js"),
        "/static_content/favicon-light-32x32.png",
    }
)

_KEY_FILE = "api_key"
_KEY_BYTES = 32

ErrorRenderer = Callable[[LoanDefaultError, Scope, Receive, Send], Awaitable[None]]


class Keys:
    """The keys that are valid now; holds only their digests."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [_digest(key.encode()) for key in keys]

    def accepts(self, key: bytes) -> bool:
        """Whether `key` is one of ours, in a time that does not depend on which one or how much of it is right."""
        digest = _digest(key)
        return sum([hmac.compare_digest(digest, ours) for ours in self._digests]) > 0


def load_keys(settings: Settings) -> tuple[Keys, Path | None]:
    """The configured keys, or the random one of this state folder, made now if need be.

    Returns:
        The keys, and the file that holds the random one (None when keys are configured).

    Raises:
        SettingsError: there is no key and none can be kept.
    """
    if settings.api_keys:
        return Keys(settings.api_keys), None
    path = settings.state / _KEY_FILE
    try:
        if not path.exists():
            _create(path)
        path.chmod(0o600)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"No API_KEY is set and no key can be kept in {path}: {error}") from error
    if not key:
        raise SettingsError(f"{path} is empty: remove it to have a new key made, or set API_KEY.")
    return Keys([key]), path


class KeyRequired:
    """Lets a call through only with a valid key; `render` answers the others."""

    def __init__(self, app: ASGIApp, keys: Callable[[], Keys], render: ErrorRenderer) -> None:
        self._app = app
        self._keys = keys
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] in OPEN_PATHS):
            await self._app(scope, receive, send)
            return
        key = _key_of(scope)
        if key and self._keys().accepts(key):
            await self._app(scope, receive, send)
        elif key:
            await self._render(WrongKey("This API key is not valid here."), scope, receive, send)
        else:
            hint = "Send an API key as `X-API-Key: KEY` or `Authorization: Bearer KEY`."
            await self._render(MissingKey(hint), scope, receive, send)


def _key_of(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return bytes(value).strip()
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return bytes(value[7:]).strip()
    return b""


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _create(path: Path) -> None:
    """Make the key file; when several workers try at once, one wins and the others read its key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # readable by its owner alone
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(_KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()

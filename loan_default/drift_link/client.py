"""The drift monitor's calls over HTTP: JSON both ways, by a socket beside the server or by an address elsewhere.

BentoML's own client would speak pickle to a service beside it, which must not be read here any more than written: what
answers is trusted with an answer, not with this process.
"""

from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

import httpx
from pydantic import BaseModel, SecretStr, TypeAdapter

from loan_default.drift_link.messages import Batch, Introduction, Verdict

# Servers close a connection that is idle for five seconds; it must not be in the moment that something is sent.
_LIMITS: Final = httpx.Limits(max_connections=4, keepalive_expiry=2.0)
# Whoever calls says how long to wait; this is longer than the monitor takes for anything.
_AT_LAST_S: Final = 60.0
_JSON: Final = {"Content-Type": "application/json"}
_known: Final = TypeAdapter(bool)


class MonitorRefused(Exception):
    """The monitor answers, and will not do what was asked; `str` says why."""

    def __init__(self, status: int) -> None:
        hint = "; is DRIFT_KEY the same for both?" if status in {401, 403} else ""
        super().__init__(f"status {status}{hint}")


class _Client(Protocol):
    @property
    def url(self) -> str: ...


class Dependency(Protocol):
    """What BentoML makes of `bentoml.depends`: a client that knows where the other service is."""

    @property
    def to_async(self) -> _Client:
        """BentoML's own client."""


class MonitorClient:
    """A drift monitor in another process. Belongs to one event loop."""

    def __init__(self, address: str, key: SecretStr | None) -> None:
        """Connects when it is first used.

        Args:
            address: `http://HOST:PORT`, `https://…`, or as BentoML names services beside each other, `file:///SOCKET`
                and `tcp://HOST:PORT`.
            key: what the monitor asks for (DRIFT_KEY).
        """
        headers = _JSON if key is None else {**_JSON, "Authorization": f"Bearer {key.get_secret_value()}"}
        parts = urlsplit(address)
        socket = unquote(parts.path) if parts.scheme == "file" else None
        url = {"file": "http://monitor", "tcp": f"http://{parts.netloc}"}.get(parts.scheme, address)
        # With a transport of its own it passes by the proxies of the environment: samples go nowhere else.
        direct = httpx.AsyncHTTPTransport(uds=socket, limits=_LIMITS)
        self._http = httpx.AsyncClient(base_url=url, transport=direct, headers=headers, timeout=_AT_LAST_S)

    @classmethod
    def of(cls, dependency: Dependency, key: SecretStr | None) -> "MonitorClient":
        """The client of a service that BentoML started beside this one, or was given the address of."""
        return cls(dependency.to_async.url, key)

    async def observe(self, batch: Batch) -> bool:
        """Take samples; False when their model is not known, and must be introduced first."""
        return _known.validate_json(await self._ask("observe", batch=batch))

    async def introduce(self, model: Introduction) -> None:
        """Get to know a model."""
        await self._ask("introduce", model=model)

    async def verdict(self) -> Verdict:
        """Whether the applicants have changed."""
        return Verdict.model_validate_json(await self._ask("verdict"))

    async def report(self) -> str:
        """The same as a page for people, HTML."""
        return (await self._ask("report")).decode()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(self, call: str, **argument: BaseModel) -> bytes:
        named: dict[str, Any] = {name: value.model_dump_json() for name, value in argument.items()}
        body = ",".join(f'"{name}":{value}' for name, value in named.items())
        answer = await self._http.post(f"/{call}", content=f"{{{body}}}")
        if answer.status_code != httpx.codes.OK:
            raise MonitorRefused(answer.status_code)
        return answer.content

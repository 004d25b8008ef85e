"""The middleware: who gets through, with which caller, and how the others are refused."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from starlette.types import Receive, Scope, Send

from loan_default.api.envelope import render_error
from loan_default.errors import MissingScope
from loan_default.security import CALLER, Caller, KeyRequired, Keys, KeyScope, require_scope
from loan_default.security.keys import MOST_KEY_BYTES
from loan_default.security.keys_file import add_key, read_keys

Header = tuple[bytes, bytes]
ANALYST, DEPLOY = "analyst-key", "deploy-key"
KEYS = {ANALYST: Caller(ANALYST, frozenset({"score"})), DEPLOY: Caller(DEPLOY, frozenset({"operate"}))}


class Door:
    """The middleware before an app that remembers who came through."""

    def __init__(self, **options: Any) -> None:
        keys = Keys((hashlib.sha256(key.encode()).digest(), caller) for key, caller in KEYS.items())
        self.through: list[Scope] = []
        scopes: dict[str, KeyScope | None] = {"/reload": "operate", "/info": None}
        self._door = KeyRequired(self._app, lambda: keys, render_error, scopes=scopes, **options)

    async def _app(self, scope: Scope, _: Receive, send: Send) -> None:
        self.through.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def call(
        self, *headers: Header, path: str = "/api/v1/predict", client: str | None = "192.0.2.1", kind: str = "http"
    ) -> tuple[int, dict[str, str], str]:
        """Status (or the code a websocket is closed with), headers and body."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("a call is refused before its body is read")

        scope: Scope = {"type": kind, "method": "POST", "path": path, "headers": list(headers)}
        scope["client"] = (client, 40000) if client is not None else None
        asyncio.run(self._door(scope, receive, send))
        if kind == "websocket":
            return sent[0]["code"], {}, ""
        named = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], named, sent[1]["body"].decode()


def x(key: str) -> Header:
    return b"x-api-key", key.encode()


def bearer(key: str, scheme: str = "Bearer") -> Header:
    return b"authorization", f"{scheme} {key}".encode()


def counted(reason: str) -> float:
    return REGISTRY.get_sample_value("loan_key_refusals_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize(
    "headers",
    [
        [x(ANALYST)],
        [bearer(ANALYST)],
        [bearer(ANALYST, "bEARER")],
        [(b"host", b"x"), x(f" {ANALYST} ")],
        [bearer(ANALYST), x("")],
        [bearer("a gateway's own token"), x(ANALYST)],
        [x(ANALYST), bearer("a gateway's own token")],
        [(b"authorization", b"Basic eDp5"), x(ANALYST)],
    ],
)
def test_a_valid_key_passes_and_its_caller_goes_with_the_call(headers: list[Header]) -> None:
    door = Door()
    assert door.call(*headers)[0] == 200
    assert door.through[0][CALLER] == Caller(ANALYST, frozenset({"score"}))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        ([x("")], 401),
        ([x("  ")], 401),
        ([bearer("")], 401),
        ([(b"authorization", b"Basic eDp5")], 401),
        ([(b"authorization", b"analyst-key")], 401),
        ([x("wrong")], 403),
        ([x("wrong"), bearer(ANALYST)], 403),
        ([x(ANALYST + "x")], 403),
        ([x("\x00\x80")], 403),
        ([x("k" * (MOST_KEY_BYTES + 1))], 403),
        ([x("k" * 10_000_000)], 403),
    ],
)
def test_any_other_call_is_refused_before_its_body_is_read(headers: list[Header], status: int) -> None:
    door = Door()
    answer, sent, body = door.call(*headers)
    assert (answer, door.through) == (status, [])
    assert ("www-authenticate" in sent) == (status == 401)
    assert "wrong" not in body.replace("wrong_api_key", "")


def test_probes_metrics_and_named_paths_are_open() -> None:
    door = Door(open_paths=["/docs"])
    assert {door.call(path=path)[0] for path in ("/healthz", "/livez", "/readyz", "/metrics", "/docs")} == {200}
    assert {door.call(path=path)[0] for path in ("/healthz/", "/metrics/x", "//healthz", "/docs/x", "")} == {401}
    assert all(CALLER not in scope for scope in door.through)


@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        (ANALYST, "/api/v1/predict", 200),
        (ANALYST, "/anything", 200),
        (ANALYST, "/reload", 403),
        (ANALYST, "/info", 200),
        (DEPLOY, "/reload", 200),
        (DEPLOY, "/info", 200),
        (DEPLOY, "/api/v1/predict", 403),
        (DEPLOY, "/anything", 403),
    ],
)
def test_a_path_needs_its_scope(key: str, path: str, status: int) -> None:
    assert Door().call(x(key), path=path)[0] == status


def test_a_missing_scope_is_named_and_counted() -> None:
    before = counted("scope")
    _, _, body = Door().call(x(DEPLOY))
    assert '"error":"missing_scope"' in body
    assert "the scope score" in body
    assert counted("scope") == before + 1


def test_a_handler_can_ask_for_a_scope_itself() -> None:
    caller = Caller("x", frozenset({"score"}))
    assert require_scope({CALLER: caller}, "score") is caller
    for scope in ({CALLER: caller}, {}):
        with pytest.raises(MissingScope, match="the scope operate"):
            require_scope(scope, "operate")


def test_too_many_wrong_keys_block_the_address_for_strangers_alone() -> None:
    door = Door(failed_per_minute=5)
    assert door.call(x(ANALYST))[0] == 200
    blocked = counted("blocked")
    assert [door.call(x(f"guess-{number}"))[0] for number in range(8)] == [403] * 5 + [429] * 3
    status, headers, body = door.call(x("guess"))
    assert (status, '"error":"too_many_wrong_keys"' in body) == (429, True)
    assert 1 <= int(headers["retry-after"]) <= 60
    assert counted("blocked") == blocked + 4
    assert door.call(x(ANALYST))[0] == 200  # was let in before
    assert door.call(x(DEPLOY), path="/reload")[0] == 429  # right, but a guesser must not learn that
    assert door.call(x(DEPLOY), path="/reload", client="192.0.2.2")[0] == 200
    assert door.call()[0] == 401


def test_calls_without_a_key_are_no_attempts() -> None:
    door = Door(failed_per_minute=2)
    assert {door.call()[0] for _ in range(9)} == {401}
    assert door.call(x("wrong"))[0] == 403


def test_a_server_behind_a_unix_socket_has_one_address() -> None:
    door = Door(failed_per_minute=2)
    assert [door.call(x("wrong"), client=None)[0] for _ in range(3)] == [403, 403, 429]


def test_websockets_are_closed_and_the_lifespan_passes() -> None:
    door = Door()
    assert door.call(x(ANALYST), kind="websocket")[0] == 1008
    assert door.through == []
    assert door.call(kind="lifespan")[0] == 200


def test_refusals_are_counted_by_reason() -> None:
    door = Door()
    before = {reason: counted(reason) for reason in ("missing", "wrong")}
    door.call()
    door.call(x("wrong"))
    assert {reason: counted(reason) for reason in before} == {reason: count + 1 for reason, count in before.items()}


def test_the_callers_name_comes_from_the_keys_file(tmp_path: Path) -> None:
    key = add_key(tmp_path / "api_keys", "analyst", ["score"])
    keys = Keys((known.digest, known.caller) for known in read_keys(tmp_path / "api_keys"))
    assert keys.find(key.encode()) == Caller("analyst", frozenset({"score"}))

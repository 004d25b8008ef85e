"""Requests that are no HTTP, or say one thing and mean another; paths, methods, keys and connections."""

import os
import time

import pytest
from hostile import BOTH, GOOD, NATIVE, REST, around, refused
from installation import KEY, Server
from wire import Connection, Reply, ask, connection, head, request

pytestmark = pytest.mark.e2e


def smuggled(target: str) -> bytes:
    """A request that must never be taken for one."""
    return request(target, around(target, GOOD), "X-Request-ID: smuggled")


def replies(opened: Connection) -> list[Reply]:
    """Every answer until the server closes, or has said no more for a second."""
    found = []
    while not opened.closed_within(1):
        try:
            reply = opened.reply()
        except TimeoutError:
            break
        if reply is None:
            break
        found.append(reply)
    return found


SMUGGLING = {
    "both": ("Content-Length: 6", "Transfer-Encoding: chunked"),
    "both, the other way round": ("Transfer-Encoding: chunked", "Content-Length: 6"),
    "a space before the colon": ("Content-Length: 6", "Transfer-Encoding : chunked"),
    "a folded line": ("Content-Length: 6", "X: y\r\n Transfer-Encoding: chunked"),
    "a tab": ("Content-Length: 6", "Transfer-Encoding:\tchunked"),
    "an unknown coding": ("Content-Length: 6", "Transfer-Encoding: xchunked"),
    "chunked, then identity": ("Content-Length: 6", "Transfer-Encoding: chunked, identity"),
    "twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Content-Length: 6"),
    "two lengths": ("Content-Length: 6", "Content-Length: 500"),
    "a list of lengths": ("Content-Length: 6, 500",),
    "a signed length": ("Content-Length: +6",),
    "a negative length": ("Content-Length: -6",),
    "a hexadecimal length": ("Content-Length: 0x6",),
    "a length with a space": ("Content-Length: 6 6",),
    "a vertical tab": ("Content-Length: 6", "Transfer-Encoding: \x0bchunked"),
    "a bare line feed": ("Content-Length: 6", "X: y\nTransfer-Encoding: chunked"),
    "a bare carriage return": ("Content-Length: 6", "X: y\rTransfer-Encoding: chunked"),
    "a zero byte": ("Content-Length: 6", "Transfer-Encoding: chunked\x00"),
}


@BOTH
@pytest.mark.parametrize("lengths", SMUGGLING.values(), ids=SMUGGLING)
def test_two_readings_of_a_length_never_let_a_second_request_through(
    server: Server, target: str, lengths: tuple[str, ...]
) -> None:
    start = head(target, "Content-Type: application/json", "X-Request-ID: first", *lengths)
    with connection(server.url) as opened:
        opened.send(start + b"0\r\n\r\nX" + smuggled(target))
        found = replies(opened)
    assert [reply for reply in found if reply.headers.get("x-request-id") == "smuggled"] == []
    assert {reply.status for reply in found} <= {400, 413, 415, 422, 501}


@BOTH
def test_what_follows_a_short_length_is_no_part_of_the_body(server: Server, target: str) -> None:
    data = request(target, around(target, GOOD)).replace(b"Content-Length: ", b"Content-Length: 5\r\nX-Was: ")
    with connection(server.url) as opened:
        opened.send(data)
        found = replies(opened)
    # When all of it comes at once, the server may answer what is no request before what is one.
    assert [reply.status for reply in found] in ([422 if target == REST else 400, 400], [400])


@BOTH
def test_requests_sent_ahead_are_answered_in_their_order(server: Server, target: str) -> None:
    good, bad = around(target, GOOD), around(target, "{")
    data = b"".join(request(target, bad if i % 3 == 1 else good, f"X-Request-ID: r{i}") for i in range(12))
    with connection(server.url) as opened:
        opened.send(data)
        found = [opened.reply() for _ in range(12)]
    wrong = 422 if target == REST else 400
    assert [(r.headers["x-request-id"], r.status) for r in found if r] == [
        (f"r{i}", wrong if i % 3 == 1 else 200) for i in range(12)
    ]


def test_a_body_waits_for_permission_when_asked_to(server: Server) -> None:
    with connection(server.url) as opened:
        described = ("Content-Type: application/json", f"Content-Length: {len(GOOD)}", "Expect: 100-continue")
        opened.send(head(REST, *described))
        permission = opened.reply()
        opened.send(GOOD.encode())
        answer = opened.reply()
    assert permission is not None
    assert answer is not None
    assert (permission.status, answer.status) == (100, 200)


NO_HTTP = {
    "TLS": bytes.fromhex("16030100ee010000ea0303") + os.urandom(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 20,
    "HTTP/0.9": b"GET /schema.json\r\n\r\n",
    "noise": os.urandom(4096) + b"\r\n\r\n",
    "empty lines and noise": b"\r\n" * 50 + b"\x00\r\n\r\n",
    "another version": b"GET /schema.json HTTP/9.9\r\nHost: loan\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: loan\r\n\r\n",
    "a header without a colon": b"GET /schema.json HTTP/1.1\r\nHost: loan\r\nnonsense\r\n\r\n",
    "a header without a name": b"GET /schema.json HTTP/1.1\r\nHost: loan\r\n: x\r\n\r\n",
    "a zero byte in the target": b"GET /schema\x00.json HTTP/1.1\r\nHost: loan\r\n\r\n",
}


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_opens_nothing(server: Server, data: bytes) -> None:
    reply = ask(server.url, data)
    assert reply is None or reply.status in {400, 401, 404, 505}


@BOTH
def test_an_enormous_header_hurts_nobody(server: Server, target: str) -> None:
    body = around(target, GOOD)
    for headers in ([f"X-Large: {'x' * 500_000}"], [f"X-{i}: y" for i in range(20_000)]):
        reply = ask(server.url, request(target, body, *headers))
        assert reply is None or reply.status in {200, 400, 431}


def test_a_very_long_path_or_query_is_refused(server: Server) -> None:
    for target, status in ((f"/api/{'x' * 60_000}", 404), (f"/{'x/' * 30_000}", 404), (f"{REST}?{'x' * 60_000}", 422)):
        reply = ask(server.url, request(target, GOOD.encode()))
        assert reply is not None
        assert reply.status in {status, 400, 414}
        assert len(reply.body) < 2000


ELSEWHERE = ["/api/v1/../../healthz", "/healthz/../api/v1/model/info", "/api/v1/%2e%2e/%2e%2e/schema.json", "//predict"]
ELSEWHERE += [
    "/static_content/../../../../../../etc/passwd",
    "/static_content/%2e%2e/%2e%2e/app.py",
    "/docs/../openapi.json",
]
ELSEWHERE += [
    "/static_content/..%2f..%2fapp.py",
    "/healthz/",
    "/healthz;/",
    "/healthz%00",
    "/healthz%0d%0aX:y",
    "/%2e/healthz",
]
ELSEWHERE += [
    "/API/V1/PREDICT",
    "/api/v1/predict/",
    "/api//v1/predict",
    "/api/v1/predict%20",
    "/api\\v1\\predict",
    "/%ff",
]
ELSEWHERE += [
    "/docs/",
    "/docs/page.js/",
    "/static_content/",
    "/static_content/swagger-ui.css/..",
    "/api/v1/predict%3freasons=true",
]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_no_spelling_of_a_path_leads_around_the_key_or_out_of_the_house(server: Server, path: str) -> None:
    for method in ("GET", "POST"):
        without = ask(server.url, head(path, "Content-Length: 0", method=method, key=None))
        within = ask(server.url, head(path, "Content-Length: 0", method=method))
        assert without is None or without.status in {400, 401}
        assert within is None or within.status in {400, 404}


def test_the_path_counts_that_the_key_was_asked_for(server: Server) -> None:
    for path in ("/api%2fv1%2fmodel%2finfo", "/%61pi/v1/model/info", "http://elsewhere/api/v1/model/info"):
        without = ask(server.url, head(path, method="GET", key=None))
        assert without is not None
        assert without.status in {400, 401}


@pytest.mark.parametrize(
    "name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"]
)
def test_no_header_changes_the_method_or_the_path(server: Server, name: str) -> None:
    for value in ("DELETE", "GET", "/healthz"):
        scored = ask(server.url, request(REST, GOOD.encode(), f"{name}: {value}"))
        assert scored is not None
        assert scored.status == 200
        got = ask(server.url, head(REST, f"{name}: POST", method="GET"))
        refused(got, 405)
        assert refused(ask(server.url, head(REST, f"{name}: {value}", key=None)), 401)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "GET", "TRACE", "PURGE", "PROPFIND"])
def test_another_method_is_405_and_says_which_is_right(server: Server, method: str) -> None:
    for target in (REST, NATIVE):
        reply = ask(server.url, head(target, "Content-Length: 0", method=method), to=method)
        assert reply is not None
        assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/healthz", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/schema.json"]
)
def test_head_is_get_without_the_body(server: Server, path: str) -> None:
    with connection(server.url) as opened:
        opened.send(head(path, method="HEAD") + head("/healthz", method="GET"))
        first, second = opened.reply("HEAD"), opened.reply()
    assert first is not None
    assert second is not None
    assert (first.status, second.json()) == (200, {"status": "alive"})


@pytest.mark.parametrize("method", ["connect", "GE T", "POST\x00", "É", "A" * 10_000])
def test_a_method_that_is_none_is_refused(server: Server, method: str) -> None:
    reply = ask(server.url, head(REST, "Content-Length: 0", method=method))
    assert reply is None or reply.status in {400, 405}


@BOTH
def test_an_upgrade_is_not_made(server: Server, target: str) -> None:
    websocket = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    for key, statuses in ((KEY, {400, 403, 404, 405}), (None, {400, 401, 403})):
        reply = ask(
            server.url, head(target, *websocket, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", method="GET", key=key)
        )
        assert reply is None or reply.status in statuses
    # uvicorn loses the body of a request that offers HTTP/2, as Java's client does unless told not to.
    http2 = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    offered = ask(server.url, request(target, around(target, GOOD), *http2))
    assert offered is not None
    assert offered.status in {200, 422 if target == REST else 400}


STRANGE_KEYS = ["é", "\xff" * 100, "x" * 100_000, " ", f"{KEY}, {KEY}", f'"{KEY}"', f"{KEY}\t x"]


@pytest.mark.parametrize("key", STRANGE_KEYS, ids=range(len(STRANGE_KEYS)))
def test_a_strange_key_is_a_wrong_one(server: Server, key: str) -> None:
    refused(ask(server.url, request(REST, GOOD.encode(), f"X-API-Key: {key}", key=None)), 401, 403)
    refused(ask(server.url, request(REST, GOOD.encode(), f"Authorization: Bearer {key}", key=None)), 401, 403)


def test_five_hundred_idle_and_half_open_connections_keep_nobody_out(server: Server) -> None:
    opened: list[Connection] = []
    try:
        for i in range(500):
            opened.append(Connection(server.url))
            opened[-1].send((b"", b"POST ", head(REST, "Content-Length: 100"), head(REST)[:-4])[i % 4])
        began = time.monotonic()
        for _ in range(20):
            assert ask(server.url, request(REST, GOOD.encode()))
        assert time.monotonic() - began < 3
    finally:
        for one in opened:
            one.close()


@BOTH
def test_callers_who_hang_up_leave_nothing_behind(server: Server, target: str) -> None:
    whole = request(target, around(target, GOOD))
    for cut in range(0, len(whole) + 1, 7):
        with connection(server.url) as opened:
            opened.send(whole[:cut])
    for _ in range(50):
        with connection(server.url) as opened:
            opened.send(whole * 5)

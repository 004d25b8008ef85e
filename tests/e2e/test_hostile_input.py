"""What nobody should send, sent to a real server: it gets the described answer, and the next caller is served.

The server has one worker, so that the next caller meets the very process that was mistreated.
"""

import gzip
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from installation import KEY, ROOT, Installation, Server, serving
from wire import Connection, Reply, ask, connection, head, request

from loan_default.api.bodies import MAX_APPLICANT_BYTES
from loan_default.api.native import MAX_LIST_BYTES

pytestmark = pytest.mark.e2e

REST, NATIVE = "/api/v1/predict", "/predict"
BOTH = pytest.mark.parametrize("target", [REST, NATIVE])
GOOD = '{"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}'
NO_LIMITS = {"RATE_LIMIT_PER_MINUTE": "0", "FAILED_KEYS_PER_MINUTE": "0"}
ENVELOPE = {"success", "error", "message", "details"}
# The service gives a body ten seconds; the rest is for a busy machine.
BODY_WITHIN_S = 15


@pytest.fixture(scope="module")
def server(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker, and no limit of calls or wrong keys."""
    log = tmp_path_factory.mktemp("hostile") / "log"
    variables = {**installation.environment, "WORKERS": "1", **NO_LIMITS}
    with serving(["bentoml", "serve", "service:LoanDefault"], variables, ROOT, log) as running:
        yield running


@pytest.fixture(autouse=True)
def the_next_caller_is_served(server: Server) -> Iterator[None]:
    """After each test."""
    yield
    began = time.monotonic()
    for target, body in ((REST, GOOD), (NATIVE, listed(GOOD))):
        reply = ask(server.url, request(target, body.encode()))
        assert reply is not None
        assert reply.status == 200, reply
    assert time.monotonic() - began < 3


def listed(*rows: str) -> str:
    """A body of BentoML's face."""
    return f'{{"applications": [{", ".join(rows)}]}}'


def around(target: str, row: str) -> bytes:
    """The body with which a call scores one row."""
    return (row if target == REST else listed(row)).encode()


def with_value(name: str, literal: str) -> str:
    """The good applicant with one value written differently."""
    return json.dumps({**json.loads(GOOD), name: "HERE"}).replace('"HERE"', literal)


def refused(reply: Reply | None, *statuses: int) -> Reply:
    """The reply, which refuses in the shape of its face, with one of these statuses."""
    assert reply is not None, "closed without an answer"
    assert reply.status in statuses, reply
    found = reply.json()
    assert isinstance(found, dict), "a list is nobody's shape of errors"
    assert set(found) == ENVELOPE or isinstance(found["error"], str)
    return reply


# Values ---------------------------------------------------------------------------------------------------------------

SCORED = [
    *(
        ("bank_balance", literal)
        for literal in ("0", "-0", "0.0", "-0.0", "5e-324", "2.2250738585072014e-308", "1e308")
    ),
    *(
        ("bank_balance", literal)
        for literal in ("1e-400", "1E+2", "1000000000000000000000000000000", "1.7976931348623157e308")
    ),
    *(("annual_salary", literal) for literal in ("5e-324", "1e308", "1")),
    *(("employed", literal) for literal in ("0", "1", "-0")),
]
REFUSED = [
    *(("bank_balance", literal) for literal in ("-5e-324", "-1", "true", "false", "null", '"1"', '"NaN"', '""')),
    *(("bank_balance", literal) for literal in ("[1]", "[]", "{}", '{"$gt": 0}')),
    *(("annual_salary", literal) for literal in ("0", "-0.0", "1e-400", "false", "null", '"1e3"', "[[[[1]]]]")),
    *(("employed", literal) for literal in ("2", "-1", "0.5", "true", "null", '"1"', "9007199254740993")),
]
# JSON numbers that no float and no sensible integer holds: a reader may stop at them before it knows whose they are.
BEYOND = [
    ("bank_balance", "1e400"),
    ("bank_balance", "-1e400"),
    ("bank_balance", "1" + "0" * 400),
    ("employed", "1" * 5000),
]
# Not JSON either, but what many programs write: a reader may know them, and refuse them as values.
NO_NUMBERS = ("NaN", "Infinity", "-Infinity")
NO_JSON = ("nan", "inf", "01", "+1", ".5", "1.", "0x10", "1_000", "1e", "'1'", "undefined", "")


@pytest.mark.parametrize(("name", "literal"), SCORED)
def test_extreme_but_allowed_values_are_scored(server: Server, name: str, literal: str) -> None:
    row = with_value(name, literal)
    answers = [ask(server.url, request(target, around(target, row))) for target in (REST, NATIVE)]
    assert [answer.status for answer in answers if answer] == [200, 200]
    one, many = (answer.json() for answer in answers if answer)
    assert 0 < one["data"]["probability"] < 1
    assert many[0]["probability"] == one["data"]["probability"]


@pytest.mark.parametrize(("name", "literal"), REFUSED)
def test_a_wrong_value_is_refused_by_its_name(server: Server, name: str, literal: str) -> None:
    reply = refused(ask(server.url, request(REST, with_value(name, literal).encode())), 422)
    assert reply.json()["error"] == "invalid_applicant"
    assert [detail["field"] for detail in reply.json()["details"]] == [name]


@pytest.mark.parametrize(("name", "literal"), REFUSED)
def test_a_wrong_value_in_a_list_is_refused_in_its_place(server: Server, name: str, literal: str) -> None:
    reply = ask(server.url, request(NATIVE, listed(GOOD, with_value(name, literal), GOOD).encode()))
    assert reply is not None
    assert reply.status == 200, reply
    first, wrong, last = reply.json()
    assert first["probability"] == last["probability"]
    assert (wrong["error"], [detail["field"] for detail in wrong["details"]]) == ("invalid_applicant", [name])


@pytest.mark.parametrize(("name", "literal"), BEYOND, ids=range(len(BEYOND)))
def test_a_number_beyond_all_numbers_is_refused(server: Server, name: str, literal: str) -> None:
    row = with_value(name, literal)
    assert len(refused(ask(server.url, request(REST, row.encode())), 422).body) < 2000
    many = ask(server.url, request(NATIVE, listed(GOOD, row).encode()))
    assert many is not None
    assert many.status == 400 or "error" in many.json()[1]


@pytest.mark.parametrize("literal", NO_NUMBERS)
def test_no_number_and_infinity_are_refused(server: Server, literal: str) -> None:
    row = with_value("bank_balance", literal)
    refused(ask(server.url, request(REST, row.encode())), 422)
    many = ask(server.url, request(NATIVE, listed(GOOD, row).encode()))
    assert many is not None
    assert many.status == 400 or "error" in many.json()[1]


@pytest.mark.parametrize("literal", NO_JSON)
def test_what_is_no_json_number_makes_the_body_no_json(server: Server, literal: str) -> None:
    row = with_value("bank_balance", literal)
    refused(ask(server.url, request(REST, row.encode())), 422)
    refused(ask(server.url, request(NATIVE, listed(GOOD, row).encode())), 400)


DOUBLED = [
    GOOD[:-1] + ', "bank_balance": 1}',
    GOOD[:-1] + ', "bank_balance": 8754.36}',
    GOOD[:-1] + ', "bank\\u005fbalance": 1}',
    '{"bank_balance": -1, ' + GOOD[1:],
]


@pytest.mark.parametrize("row", DOUBLED)
def test_a_field_given_twice_is_refused(server: Server, row: str) -> None:
    reply = refused(ask(server.url, request(REST, row.encode())), 422)
    assert "bank_balance" in reply.json()["message"]
    many = ask(server.url, request(NATIVE, listed(GOOD, row).encode()))
    assert many is not None
    assert many.status == 400 or "error" in many.json()[1]


def test_two_lists_in_one_body_are_refused(server: Server) -> None:
    refused(ask(server.url, request(NATIVE, f'{listed(GOOD)[:-1]}, "applications": [{GOOD}]}}'.encode())), 400)


@pytest.mark.parametrize(
    "name", ["x", "__proto__", "Employed", "employed ", "employed\\u0000", "", "a" * 10_000, "ｅmployed"]
)
def test_an_unknown_field_is_refused_and_not_echoed_at_length(server: Server, name: str) -> None:
    row = GOOD[:-1] + f', "{name}": 1}}'
    reply = refused(ask(server.url, request(REST, row.encode())), 422)
    assert len(reply.body) < 2000
    many = ask(server.url, request(NATIVE, listed(row).encode()))
    assert many is not None
    assert [answer["error"] for answer in many.json()] == ["invalid_applicant"]


@pytest.mark.parametrize("row", ["null", "1", '"x"', "[]", "{}", "true", f"[{GOOD}]"])
def test_what_is_no_applicant_is_refused(server: Server, row: str) -> None:
    refused(ask(server.url, request(REST, row.encode())), 422)
    many = ask(server.url, request(NATIVE, listed(row, GOOD).encode()))
    assert many is not None
    assert (many.status, ["error" in answer for answer in many.json()]) == (200, [True, False])


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", GOOD, '{"applications": 1}', '{"applications": {}}', listed()]
)
def test_what_is_no_list_is_400_on_bentomls_face(server: Server, body: str) -> None:
    refused(ask(server.url, request(NATIVE, body.encode())), 400)


@pytest.mark.parametrize(("count", "status"), [(1000, 200), (1001, 400)])
def test_a_list_has_at_most_a_thousand(server: Server, count: int, status: int) -> None:
    reply = ask(server.url, request(NATIVE, listed(*[GOOD] * count).encode()))
    assert reply is not None
    assert reply.status == status


@pytest.mark.parametrize(
    "query", ["reasons=1", "reasons=", "reasons", "reasons=True", "reasons=true&reasons=true", "x=1", "%ff=%ff"]
)
def test_a_query_that_is_not_described_is_refused(server: Server, query: str) -> None:
    reply = refused(ask(server.url, request(f"{REST}?{query}", GOOD.encode())), 422)
    assert reply.json()["error"] == "invalid_query"


@BOTH
@pytest.mark.parametrize("reference", ["", "a" * 65, "a b", 'a"b', "é", "a/b", "../x", "a;b"])
def test_a_bad_reference_is_refused(server: Server, target: str, reference: str) -> None:
    data = request(target, around(target, GOOD), f"X-Applicant-Reference: {reference}")
    refused(ask(server.url, data), 422 if target == REST else 400)


# Bodies ---------------------------------------------------------------------------------------------------------------

BODIES = {
    "an invalid byte": GOOD.encode().replace(b"employed", b"empl\xffyed"),
    "an overlong slash": b'{"\xc0\xaf": 1}',
    "half a character": GOOD.encode()[:-1] + b', "\xe2\x82": 1}',
    "an encoded surrogate": b'{"\xed\xa0\x80": 1}',
    "a lone surrogate": b'{"\\ud800": 1}',
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-16 without a mark": GOOD.encode("utf-16-le"),
    "UTF-32": GOOD.encode("utf-32"),
    "a zero byte": GOOD.encode() + b"\x00",
    "only zero bytes": b"\x00" * 1000,
    "two documents": (GOOD + GOOD).encode(),
    "a comment": b"/* */ " + GOOD.encode(),
    "a trailing comma": GOOD.encode()[:-1] + b",}",
    "half a document": GOOD.encode()[:-10],
    "YAML": b"employed: 1",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a pickle": b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
    "deep lists": b"[" * 60_000,
    "deep objects": b'{"a":' * 12_000,
    "deep and closed": b"[" * 30_000 + b"]" * 30_000,
    "a deep value": b'{"employed": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "noise": os.urandom(5000),
}


@BOTH
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_cannot_be_read_is_refused(server: Server, target: str, body: bytes) -> None:
    refused(ask(server.url, request(target, body)), 422 if target == REST else 400)


@BOTH
def test_a_byte_order_mark_is_refused_or_ignored(server: Server, target: str) -> None:
    reply = ask(server.url, request(target, b"\xef\xbb\xbf" + around(target, GOOD)))
    assert reply is not None
    assert reply.status in {200, 422 if target == REST else 400}


def test_the_deepest_list_that_fits_is_refused(server: Server) -> None:
    began = time.monotonic()
    refused(ask(server.url, request(NATIVE, b"[" * (MAX_LIST_BYTES - 10))), 400)
    assert time.monotonic() - began < 5


@BOTH
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_ten_megabytes_are_413(server: Server, target: str, chunked: bool) -> None:
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {10 * 2**20}"
    piece = b" " * 2**16
    pieces = [b"10000\r\n" + piece + b"\r\n"] * 160 if chunked else [piece] * 160
    with connection(server.url) as opened:
        opened.send(head(target, "Content-Type: application/json", length))
        for one in pieces:
            if not opened.send(one):
                break
        assert refused(opened.reply(), 413)


@BOTH
def test_ten_announced_megabytes_are_413_before_they_are_sent(server: Server, target: str) -> None:
    reply = ask(server.url, head(target, "Content-Type: application/json", f"Content-Length: {10 * 2**20}"))
    refused(reply, 413)


@BOTH
def test_chunks_without_end_are_cut_off_at_the_limit(server: Server, target: str) -> None:
    limit = MAX_APPLICANT_BYTES if target == REST else MAX_LIST_BYTES
    size = limit // 50
    chunk = b"%x\r\n" % size + b" " * size + b"\r\n"
    with connection(server.url) as opened:
        opened.send(head(target, "Content-Type: application/json", "Transfer-Encoding: chunked"))
        opened.drip(itertools.repeat(chunk), 0.02)
        refused(opened.reply(), 413)


def _bytewise(target: str) -> tuple[bytes, Iterable[bytes]]:
    start = head(target, "Content-Type: application/json", "Content-Length: 1000")
    return start, (bytes([byte]) for byte in itertools.chain(GOOD.encode(), itertools.repeat(32)))


def _chunkwise(target: str) -> tuple[bytes, Iterable[bytes]]:
    start = head(target, "Content-Type: application/json", "Transfer-Encoding: chunked")
    return start, itertools.repeat(b"1\r\n \r\n")


def _silent(target: str) -> tuple[bytes, Iterable[bytes]]:
    return head(target, "Content-Type: application/json", "Content-Length: 1000"), itertools.repeat(b"")


def _stalled_chunks(target: str) -> tuple[bytes, Iterable[bytes]]:
    start, _ = _chunkwise(target)
    return start + b"1\r\n{\r\n", itertools.repeat(b"")


def test_a_slow_or_silent_sender_is_cut_off_and_meanwhile_others_are_served(server: Server) -> None:
    def send(kind: Callable[[str], tuple[bytes, Iterable[bytes]]], target: str) -> tuple[Reply | None, float]:
        start, pieces = kind(target)
        with connection(server.url) as opened:
            opened.send(start)
            seconds = opened.drip(pieces, 0.1)
            return opened.reply(), seconds

    kinds = (_bytewise, _chunkwise, _silent, _stalled_chunks)
    with ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(send, kind, target) for kind in kinds for target in (REST, NATIVE)]
        time.sleep(1)
        began = time.monotonic()
        assert refused(ask(server.url, request(REST, b"{}")), 422)
        assert time.monotonic() - began < 1
        for one in slow:
            reply, seconds = one.result()
            assert seconds < BODY_WITHIN_S
            assert reply is None or reply.status == 408


@BOTH
def test_a_compressed_body_is_refused_and_never_unpacked(server: Server, target: str) -> None:
    packed = gzip.compress(around(target, GOOD))
    for encoding in ("gzip", "deflate", "br", "gzip, gzip"):
        reply = ask(server.url, request(target, packed, f"Content-Encoding: {encoding}"))
        refused(reply, 415, 422 if target == REST else 400)


TYPES = [
    "text/plain",
    "text/json",
    "application/xml",
    "application/json-seq",
    "application/jsonp",
    "application",
    "json",
]
TYPES += ["application/json, text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "/", ";", "é", ""]
TYPES += ["multipart/form-data; boundary=x", "application/vnd.bentoml+pickle", "application/vnd.bentoml+PICKLE", "*/*"]


@BOTH
@pytest.mark.parametrize("kind", TYPES)
def test_another_media_type_is_415(server: Server, target: str, kind: str) -> None:
    body = around(target, GOOD)
    refused(ask(server.url, head(target, f"Content-Type: {kind}", f"Content-Length: {len(body)}") + body), 415)


@BOTH
@pytest.mark.parametrize(
    "kind", ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json;x"]
)
def test_json_by_any_spelling_is_read(server: Server, target: str, kind: str) -> None:
    body = around(target, GOOD)
    reply = ask(server.url, head(target, f"Content-Type: {kind}", f"Content-Length: {len(body)}") + body)
    assert reply is not None
    assert reply.status == 200


# HTTP -----------------------------------------------------------------------------------------------------------------


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


# Connections ----------------------------------------------------------------------------------------------------------


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


def test_the_log_of_all_that_holds_no_applicant_no_key_and_no_stack(server: Server) -> None:
    log = server.log.read_text()
    assert "Traceback" not in log
    for secret in (KEY, "8754.36", "532339.56"):
        assert secret not in log

"""Bodies that cannot be read, are too large, come too slowly, or are of another kind."""

import gzip
import itertools
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hostile import BOTH, GOOD, NATIVE, REST, around, refused
from installation import Server
from wire import Reply, ask, connection, head, request

from loan_default.api.native import MAX_LIST_BYTES
from loan_default.schema.one_applicant import MAX_APPLICANT_BYTES

pytestmark = pytest.mark.e2e

# The service gives a body ten seconds; the rest is for a busy machine.
BODY_WITHIN_S = 15

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

"""The JSON body of a request, refused by its headers, or as soon as it is too long; for both services."""

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from loan_default.errors import BodyTooLarge, UnsupportedMediaType


def check_headers(scope: Scope, limit: int) -> None:
    """Refuse by its headers a request whose body is not JSON, or longer than `limit` bytes.

    Raises:
        UnsupportedMediaType, BodyTooLarge: with what would be right.
    """
    is_json = False
    for name, value in scope["headers"]:
        if name == b"content-type":
            is_json = value == b"application/json" or value.partition(b";")[0].strip().lower() == b"application/json"
        elif name == b"content-length" and int(value) > limit:  # the server has checked that it is a number
            raise _too_large(limit)
    if not is_json:
        raise UnsupportedMediaType("Send JSON, with `Content-Type: application/json`.")


async def read_limited(receive: Receive, limit: int) -> bytes:
    """The body of a request, refused as soon as more than `limit` bytes of it have arrived.

    Raises:
        BodyTooLarge: it is longer.
        ClientDisconnect: the caller went away.
    """
    message = await receive()
    body: bytes | bytearray = message.get("body", b"")
    if message.get("more_body"):
        body = bytearray(body)
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()
        body += message.get("body", b"")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit:,} bytes.")

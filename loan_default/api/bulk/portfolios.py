"""The three ways in which a portfolio comes: listed in the body, as a file in a form, or named by where it stands."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import msgspec
from starlette.types import Receive, Scope

from loan_default.api.bulk.arriving import Arriving, pieces
from loan_default.api.bulk.draft import SOURCE_NAME, Draft, Source
from loan_default.api.bulk.listed import rows_of
from loan_default.api.bulk.multipart import Form
from loan_default.api.bulk.options import FILE_OPTIONS, JSON_OPTIONS, Options, options_of, query_of, written
from loan_default.api.bulk.threads import Threads
from loan_default.errors import BodyTooLarge, UnsupportedMediaType
from loan_default.json_body import check_headers

MAX_JSON_BYTES = 32 * 1024 * 1024
MAX_NAMED_BYTES = 16 * 1024
# What a form has beside its file.
_FORM_BYTES = 64 * 1024
# So many rows of a list are put together at a stretch: less than a millisecond.
_ROWS = 2_000


class Portfolio(Protocol):
    """What a call brings.

    Attributes:
        places: how many of a worker's places it takes while it comes in.
    """

    places: ClassVar[int]

    async def keep(self, draft: Draft, threads: Threads) -> Source:
        """Keep it for the job that is being drafted, and say how it is written."""


@dataclass(frozen=True)
class Listed:
    """A list in a JSON body, the field `field`, with options beside it or in the query.

    Attributes:
        in_query: the options that the query may have.
        in_body: those that the body may have.
    """

    places: ClassVar[int] = 4  # it is in memory as a whole

    scope: Scope
    receive: Receive
    field: str
    in_query: tuple[str, ...] = JSON_OPTIONS
    in_body: tuple[str, ...] = ()

    async def keep(self, draft: Draft, threads: Threads) -> Source:
        """Keep the rows as they came, one a line."""
        check_headers(self.scope, MAX_JSON_BYTES)
        query = query_of(self.scope["query_string"], self.in_query)
        body = await whole_body(self.receive, MAX_JSON_BYTES)
        rows, given = await threads.run(rows_of, body, self.field, self.in_body)
        options = options_of({**query, **given})
        async with Arriving(threads, draft.folder_to_fill, SOURCE_NAME, MAX_JSON_BYTES * 2) as file:
            for i in range(0, len(rows), _ROWS):
                await file.add(b"".join(row + b"\n" for row in rows[i : i + _ROWS]))
                await asyncio.sleep(0)
        from loan_default.bulk.order import Written

        return Source(Written(kind="json"), options, _digest(file.digest, options), name=SOURCE_NAME)


@dataclass(frozen=True)
class Uploaded:
    """A file in a form, the part `field`, with options beside it or in the query.

    Attributes:
        most_bytes: the longest file that is taken.
        json_fields: whether the options are JSON, as BentoML's clients write them, rather than text.
    """

    places: ClassVar[int] = 1

    scope: Scope
    receive: Receive
    field: str
    most_bytes: int
    json_fields: bool = False

    async def keep(self, draft: Draft, threads: Threads) -> Source:
        """Keep the file while it arrives."""
        content_type, length = self._headers()
        form = Form(content_type, self.field, FILE_OPTIONS)
        query = query_of(self.scope["query_string"], FILE_OPTIONS)
        if length > self.most_bytes + _FORM_BYTES:
            raise BodyTooLarge(f"The portfolio is larger than {self.most_bytes:,} bytes.")
        async with Arriving(threads, draft.folder_to_fill, SOURCE_NAME, self.most_bytes) as file:
            async for piece in pieces(self.receive):
                await file.add(form.feed(piece))
            form.finish()
            said = _without_json(form.fields) if self.json_fields else form.fields
            options = options_of({**query, **said})
            how = written(options, draft.schema.csv, file.head, form.file_name, form.file_type)
        return Source(how, options, _digest(file.digest, options), name=SOURCE_NAME)

    def _headers(self) -> tuple[bytes, int]:
        """The content type, and the length or 0."""
        headers = dict(self.scope["headers"])
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise UnsupportedMediaType("Send the form as it is; the file inside may be compressed with gzip.")
        return headers.get(b"content-type", b""), int(headers.get(b"content-length", 0))


@dataclass(frozen=True)
class Named:
    """A portfolio that stands under one of the configured prefixes."""

    places: ClassVar[int] = 1

    uri: str
    options: Options

    async def keep(self, draft: Draft, threads: Threads) -> Source:
        """Look where it is; it stays there."""
        from loan_default.jobs.sources import first_bytes

        head = await threads.run(first_bytes, self.uri, draft.settings)
        how = written(self.options, draft.schema.csv, head, self.uri.rpartition("/")[2], "")
        return Source(how, self.options, _digest(self.uri, self.options), uri=self.uri)


def _without_json(fields: Mapping[str, str]) -> dict[str, Any]:
    """The values of options that are JSON; what is none stands for itself."""

    def value(text: str) -> Any:
        try:
            return msgspec.json.decode(text)
        except msgspec.MsgspecError:
            return text

    return {name: value(text) for name, text in fields.items()}


def is_json(scope: Scope) -> bool:
    """Whether a call announces a JSON body."""
    content_type: bytes = dict(scope["headers"]).get(b"content-type", b"")
    return content_type.partition(b";")[0].strip().lower() == b"application/json"


async def whole_body(receive: Receive, most_bytes: int) -> bytes:
    """A body that must not be longer than `most_bytes`, nor stand still while it arrives."""
    body = bytearray()
    async for piece in pieces(receive):
        body += piece
        if len(body) > most_bytes:
            raise BodyTooLarge(f"The body is larger than {most_bytes:,} bytes; send the portfolio as a file.")
    return bytes(body)


def _digest(content: str, options: Options) -> str:
    """Stands for a portfolio with its options: another digest, another job."""
    return hashlib.sha256(content.encode() + options.digested()).hexdigest()

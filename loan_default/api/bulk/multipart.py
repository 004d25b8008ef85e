"""Reads multipart/form-data as it arrives: one file, handed on in pieces, and a few short fields.

Strict, because what is odd here is a mistake or an attack: parts have a name that the call knows, each is given once,
headers and fields are short, and the last boundary must come. The name of the file is looked at, never used.
"""

import logging
from collections.abc import Collection

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from loan_default.errors import MalformedBody, UnsupportedMediaType

_MOST_HEADERS = 8
_LONGEST_HEADER = 1024
_LONGEST_FIELD = 256
_LONGEST_ECHO = 64


class Form:
    """One form.

    Args:
        content_type: the header of the request.
        file_field: the name of the part that is the file.
        fields: the names of the others; none of them is needed.

    Attributes:
        fields: those that came, as text.
        file_name, file_type: what the caller calls the file, and its media type.
    """

    def __init__(self, content_type: bytes, file_field: str, fields: Collection[str]) -> None:
        self._file_field = file_field
        self._known = fields
        self.fields: dict[str, str] = {}
        self.file_name = ""
        self.file_type = ""
        self._part = ""  # the name of the part that is arriving
        self._has_file = self._ended = False
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value, self._text = bytearray(), bytearray(), bytearray()
        self._pieces: list[bytes] = []
        self._parser = self._parser_of(content_type)

    def feed(self, data: bytes) -> bytes:
        """Take what arrived next; returns what of it belongs to the file.

        Raises:
            MalformedBody: it is no such form.
        """
        self._pieces = []
        try:
            self._parser.write(data)
        except FormParserError:
            raise MalformedBody(
                "The body is not the form that its Content-Type announces: check the boundary, and that a part's "
                f"headers are at most {_MOST_HEADERS} of {_LONGEST_HEADER:,} bytes each."
            ) from None
        return b"".join(self._pieces)

    def finish(self) -> None:
        """Raises MalformedBody unless all of it came, the file included."""
        if not self._ended:
            raise MalformedBody("The form ends in the middle: its last boundary is missing.")
        if not self._has_file:
            raise MalformedBody(f"The form has no file: send it as the part `{self._file_field}`.")

    def _parser_of(self, content_type: bytes) -> MultipartParser:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data":
            raise UnsupportedMediaType(
                f"Send a form with the file as its part `{self._file_field}` (Content-Type: multipart/form-data)."
            )
        boundary = options.get(b"boundary", b"")
        if not 1 <= len(boundary) <= 70:  # as RFC 2046 has it
            raise MalformedBody("The Content-Type of a form needs a boundary of 1 to 70 characters.")
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._keep_header,
                "on_headers_finished": self._name,
                "on_part_data": self._take,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
            max_header_count=_MOST_HEADERS,
            max_header_size=_LONGEST_HEADER,
        )
        # It logs what it does not understand, with bytes of the caller's; the refusal says enough.
        parser.logger = logging.getLogger(__name__)
        parser.logger.disabled = True
        return parser

    def _begin(self) -> None:
        self._headers = {}
        self._part = ""
        self._text.clear()

    def _keep_header(self) -> None:
        name = bytes(self._header).lower()
        if name in self._headers:
            raise MalformedBody("A part of the form has a header twice.")
        self._headers[name] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _name(self) -> None:
        """The headers of a part are there: find out which it is."""
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or not name:
            raise MalformedBody('Each part of the form needs `Content-Disposition: form-data; name="…"`.')
        is_file = b"filename" in options
        if name == self._file_field:
            self._begin_file(is_file, options.get(b"filename", b""))
        elif name not in self._known:
            fields = ", ".join([self._file_field, *self._known])
            raise MalformedBody(f"`{name[:_LONGEST_ECHO]}` is no field of this form; it has {fields}.")
        elif is_file:
            raise MalformedBody(f"`{name}` must be a field, and is a file.")
        elif name in self.fields:
            raise MalformedBody(f"`{name}` is given more than once; give it once.")
        self._part = name

    def _begin_file(self, is_file: bool, file_name: bytes) -> None:
        if self._has_file:
            raise MalformedBody(f"`{self._file_field}` is given more than once; give it once.")
        if not is_file:
            raise MalformedBody(f"`{self._file_field}` must be a file: its part needs a filename.")
        coding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        media_type = self._headers.get(b"content-type", b"").strip().lower()
        if coding not in {b"binary", b"8bit", b"7bit"} or media_type.startswith(b"multipart/"):
            raise MalformedBody(f"`{self._file_field}` must be one file as it is: not encoded, and no form itself.")
        self._has_file = True
        self.file_name = file_name.decode("utf-8", "replace")
        self.file_type = media_type.decode("latin-1")

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._part == self._file_field:
            self._pieces.append(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > _LONGEST_FIELD:
            raise MalformedBody(f"`{self._part}` is longer than {_LONGEST_FIELD} bytes.")

    def _end_part(self) -> None:
        if self._part != self._file_field:
            try:
                self.fields[self._part] = self._text.decode("utf-8")
            except UnicodeDecodeError:
                raise MalformedBody(f"`{self._part}` must be UTF-8.") from None

    def _end(self) -> None:
        self._ended = True

"""A source of text as a stream of UTF-8: opened anywhere, unpacked, decoded, all of it in constant memory."""

import codecs
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

from loan_default.errors import BulkInputError
from loan_default.storage import Place

BLOCK_BYTES = 1 << 20
_GZIP = 31  # zlib's name for it


class NotInEncoding(BulkInputError):
    """A text that is not in the encoding it was said to be in."""


def raw_blocks(source: Place) -> Iterator[bytes]:
    """The bytes of a file."""
    with source.fs.open_input_stream(source.path, compression=None, buffer_size=BLOCK_BYTES) as stream:
        while block := stream.read(BLOCK_BYTES):
            yield block


def text_blocks(source: Place, *, gzipped: bool, encoding: str, most_bytes: int | None = None) -> Iterator[bytes]:
    """A file's text in UTF-8, without a byte order mark.

    Raises:
        BulkInputError: it is not gzipped, not in this encoding, or unpacks to more than `most_bytes`.
    """
    blocks = raw_blocks(source)
    if gzipped:
        blocks = limited(_unpacked(blocks), most_bytes)
    return _decoded(blocks, encoding)


def limited(blocks: Iterable[bytes], most_bytes: int | None) -> Iterator[bytes]:
    """The same blocks, refused as soon as they are more than `most_bytes`."""
    seen = 0
    for block in blocks:
        seen += len(block)
        if most_bytes is not None and seen > most_bytes:
            raise BulkInputError(f"The portfolio is larger than {most_bytes:,} bytes when it is unpacked; split it.")
        yield block


def _unpacked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        for block in blocks:
            packed = block
            while packed:
                if unpacker.eof:  # several gzip files one after another are one
                    unpacker = zlib.decompressobj(_GZIP)
                yield unpacker.decompress(packed, BLOCK_BYTES)
                packed = unpacker.unconsumed_tail or unpacker.unused_data
    except zlib.error as error:
        raise BulkInputError("The portfolio is not a readable gzip file.") from error
    while not unpacker.eof and (block := unpacker.decompress(unpacker.unconsumed_tail, BLOCK_BYTES)):
        yield block
    if not unpacker.eof:
        raise BulkInputError("The portfolio's gzip file ends too early; send it again.")


def _decoded(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    seen, at_start = 0, True
    try:
        for block in chain(blocks, [b""]):
            text = decoder.decode(block, final=not block)
            if at_start and text:
                text, at_start = text.removeprefix("\ufeff"), False
            yield text.encode()
            seen += len(block)
    except (UnicodeError, ValueError) as error:
        place = getattr(error, "start", 0) + seen
        raise NotInEncoding(
            f"The portfolio is not {encoding} text (near byte {place:,}); state its encoding, such as cp1252."
        ) from error

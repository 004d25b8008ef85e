"""A part: one finished chunk as a file. Its results as Parquet, its rejects as CSV, its counts, and a checksum of all.

    results | rejects | counts as JSON | lengths of these three, checksums of the counts and of the rest, magic bytes

Whether a part is whole is seen from its end alone; the checksum of the rest is held against it when it is copied.
"""

import re
import struct
import zlib
from dataclasses import dataclass

from loan_default.bulk.tally import Tally
from loan_default.decision import Stored
from loan_default.drift_link.messages import Rows
from loan_default.storage import Folder, Place

_END = struct.Struct("<QQQII8s")
_MAGIC = b"LOANPRT1"
_NAME = re.compile(r"parts/(\d{6,})\.part")


class Damaged(Exception):
    """A part that is not whole, not as it was written, or of another job; it is made again."""


class Counted(Stored):
    """What a part says of itself.

    Attributes:
        of: the job that it belongs to, by the digest of all that decides its content.
        number: of its chunk.
        tally: the counts.
        drawn: its rows for the drift monitor's live window; left out where there are none.
    """

    of: str
    number: int
    tally: Tally
    drawn: Rows | None = None


@dataclass(frozen=True)
class Part:
    """A part as it is copied into the results."""

    results: memoryview
    rejects: memoryview
    counted: Counted


def name(number: int) -> str:
    """The name of a chunk's part."""
    return f"parts/{number:06d}.part"


def number(name: str) -> int | None:
    """The number of the chunk whose part has this name; None for other files."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def pack(part: Part) -> list[bytes | memoryview]:
    """The content of a part's file, to be written one after another."""
    counts = part.counted.model_dump_json(exclude_none=True).encode()
    checksum = zlib.crc32(part.rejects, zlib.crc32(part.results))
    end = _END.pack(len(part.results), len(part.rejects), len(counts), zlib.crc32(counts), checksum, _MAGIC)
    return [part.results, part.rejects, counts, end]


def read_counted(place: Place, of: str, number: int) -> Counted:
    """What a part says of itself, when it is whole and belongs to the job.

    Raises:
        Damaged: it is not.
        FileNotFoundError: there is none.
    """
    with place.fs.open_input_file(place.path) as file:
        size = file.size()
        if size < _END.size:
            raise Damaged
        lengths = _end(file.read_at(_END.size, size - _END.size), size)
        counts = file.read_at(lengths[2], size - _END.size - lengths[2])
    return _counted(counts, lengths[3], of, number)


def read(folder: Folder, of: str, number: int) -> Part:
    """A whole part; raises as `read_counted`."""
    place = folder.place(name(number))
    with place.fs.open_input_file(place.path) as file:
        content = memoryview(file.read_buffer())
    if len(content) < _END.size:
        raise Damaged
    results, rejects, counts, counts_sum, checksum = _end(content[-_END.size :], len(content))
    if zlib.crc32(content[: results + rejects]) != checksum:
        raise Damaged
    middle = results + rejects
    counted = _counted(bytes(content[middle : middle + counts]), counts_sum, of, number)
    return Part(content[:results], content[results:middle], counted)


def _end(content: bytes | memoryview, size: int) -> tuple[int, int, int, int, int]:
    *lengths_and_sums, magic = _END.unpack(content)
    results, rejects, counts, counts_sum, checksum = lengths_and_sums
    if magic != _MAGIC or results + rejects + counts + _END.size != size:
        raise Damaged
    return results, rejects, counts, counts_sum, checksum


def _counted(content: bytes, checksum: int, of: str, number: int) -> Counted:
    if zlib.crc32(content) != checksum:
        raise Damaged
    counted = Counted.model_validate_json(content)
    if (counted.of, counted.number) != (of, number):
        raise Damaged
    return counted

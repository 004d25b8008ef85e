"""Joining Parquet files by their row groups, and the encoding of their footers."""

import random
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loan_default.bulk.parquet_join import MAGIC, Joined
from loan_default.bulk.thrift import read_struct, write_struct

TABLE = pa.table(
    {
        "number": pa.array(range(1000)),
        "float": pa.array([i / 7 for i in range(1000)]),
        "word": pa.array(["abc"[i % 3] for i in range(1000)]).dictionary_encode(),
        "list": pa.array([[i] * (i % 4) for i in range(1000)]),
        "gap": pa.array([None if i % 5 else f"text {i}" for i in range(1000)]),
    }
)


def encoded(table: pa.Table, **options: object) -> memoryview:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return memoryview(sink.getvalue())


def joined(files: list[memoryview]) -> bytes:
    joining = Joined()
    return MAGIC + b"".join([bytes(joining.add(file)) for file in files]) + joining.end()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 70},
        {"compression": "none", "use_dictionary": False},
        {"write_page_index": True},
        {"version": "1.0", "data_page_version": "2.0"},
        {"column_encoding": {"number": "DELTA_BINARY_PACKED"}, "use_dictionary": ["word"]},
    ],
)
def test_files_of_one_schema_become_one_file(options: dict[str, object]) -> None:
    cuts = [0, 1, 1, 500, 820, 1000]
    files = [encoded(TABLE.slice(a, b - a), **options) for a, b in pairwise(cuts)]
    file = pq.ParquetFile(pa.BufferReader(joined(files)))
    assert file.read().equals(TABLE)
    assert file.metadata.num_rows == 1000
    groups = [file.read_row_group(i) for i in range(file.num_row_groups)]
    assert pa.concat_tables(groups).to_pylist() == TABLE.to_pylist()
    assert all(group.num_rows for group in groups)
    statistics = file.metadata.row_group(file.num_row_groups - 1).column(0).statistics
    assert statistics.max == 999


def test_a_filter_finds_its_rows_in_the_joined_file() -> None:
    content = joined([encoded(TABLE.slice(0, 600)), encoded(TABLE.slice(600))])
    assert pq.read_table(pa.BufferReader(content), filters=[("number", ">", 997)])["number"].to_pylist() == [998, 999]


def test_files_without_rows_join_to_one_without_rows() -> None:
    file = pq.ParquetFile(pa.BufferReader(joined([encoded(TABLE.slice(0, 0))] * 2)))
    assert (file.metadata.num_rows, file.num_row_groups, file.schema_arrow) == (0, 0, TABLE.schema)


def test_footers_are_written_as_they_were_read() -> None:
    for options in ({}, {"row_group_size": 3}):
        content = encoded(TABLE, **options)
        size = int.from_bytes(content[-8:-4], "little")
        footer = bytes(content[-8 - size : -8])
        assert write_struct(read_struct(footer)) == footer


def test_structures_of_every_type_survive() -> None:
    chance = random.Random(3)
    numbers = [chance.randrange(-(2**63), 2**63) >> chance.randrange(63) for _ in range(50)] + [0, -1, -(2**63)]
    fields = {
        1: (1, None),
        2: (2, None),
        3: (3, 200),
        20: (6, -5),
        21: (7, b"\x00" * 8),
        22: (8, b"text" * 50),
        23: (9, (6, numbers)),
        24: (9, (1, [1, 2, 1])),
        25: (10, (8, [b"a", b""])),
        26: (12, {1: (5, 7), 300: (9, (12, [{1: (4, -3)}, {}]))}),
    }
    assert read_struct(write_struct(fields)) == fields


def test_what_is_no_structure_is_refused() -> None:
    for content in (b"", b"\x1f", b"\x18\x05ab"):
        with pytest.raises((ValueError, IndexError)):
            read_struct(content)

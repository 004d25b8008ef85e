"""Results as JSON say what the Parquet file says, whatever texts and gaps its columns have."""

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from loan_default.bulk.export import iter_results
from loan_default.storage import LocalFolder

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=12)),
    (pa.large_string(), st.text('\\"\x00\x1f\u2028ä', max_size=6)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.list_(pa.string()), st.lists(st.text('ab"\n', max_size=3), max_size=2)),
]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 5))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    columns = []
    for _ in names:
        kind, values = draw(st.sampled_from(KINDS))
        column = pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind)
        coded = kind == pa.string() and draw(st.booleans())
        columns.append(column.dictionary_encode() if coded else column)
    return pa.table(columns, names)


def plain(value: Any) -> Any:
    """What JSON can say of a value: no NaN, no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(tables())
def test_json_says_what_the_parquet_file_says(table: pa.Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table, Path(folder, "results.parquet"))
        content = b"".join(iter_results(LocalFolder(Path(folder)), "json"))
    wanted = [{name: plain(value) for name, value in row.items()} for row in table.to_pylist()]
    assert json.loads(content) == wanted

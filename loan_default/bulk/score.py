"""From a checked chunk to the rows of the results, encoded as Parquet."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loan_default.bulk.check import Checked
from loan_default.bulk.columns import BAND, PREDICTION, PROBABILITY, REASONS, ROW, VERSION
from loan_default.bulk.live import Drawn
from loan_default.bulk.tally import BANDS, DriftWatch, Tally, band_codes
from loan_default.drift_link.messages import Rows
from loan_default.model import LoanModel

_BAND_TYPE = pa.dictionary(pa.int8(), pa.string())
_REASONS_TYPE = pa.list_(pa.string())
# XGBoost explains a thousand rows ten times as fast as one by one, and many more need a lot of memory.
_EXPLAINED_AT_ONCE = 1000


class Scored(NamedTuple):
    """A chunk that is scored.

    Attributes:
        results: a Parquet file of one row group.
        tally: its counts.
        drawn: its rows for the live window, if any.
    """

    results: memoryview
    tally: Tally
    drawn: Rows | None


class ScoreChunk:
    """Scores the chunks of one job."""

    def __init__(  # noqa: PLR0913  # all that decides what is made of a chunk
        self,
        model: LoanModel,
        model_version: str,
        carried: pa.Schema,
        *,
        reasons: bool,
        watch: DriftWatch | None,
        drawn: Drawn | None = None,
    ) -> None:
        self._model, self._version, self._reasons = model, model_version, reasons
        self._watch, self._drawn = watch, drawn
        added = [(PROBABILITY, pa.float64()), (PREDICTION, pa.int8()), (BAND, _BAND_TYPE), (VERSION, _BAND_TYPE)]
        added += [(REASONS, _REASONS_TYPE)] if reasons else []
        self.schema = pa.schema([pa.field(ROW, pa.int64()), *carried, *(pa.field(*each) for each in added)])
        self._encoding = _encoding(self.schema)

    def __call__(self, checked: Checked) -> Scored:
        """What is made of a chunk."""
        features = self._model.features.matrix(checked.applicants)
        pd = self._model.pd_of_features(features)
        bands = band_codes(pd, self._model.decision)
        declined = pd >= self._model.decision.threshold
        columns = [
            pa.array(checked.numbers),
            *checked.table.columns,
            pa.array(pd),
            pa.array(declined.view(np.int8)),
            pa.DictionaryArray.from_arrays(bands, list(BANDS)),
            pa.DictionaryArray.from_arrays(np.zeros(len(pd), dtype=np.int8), [self._version]),
        ]
        if self._reasons:
            columns.append(self._explained(checked.applicants, declined))
        watched = self._watch.counts(features, pd) if self._watch is not None else {}
        drawn = None if self._drawn is None else self._drawn.of(checked.numbers, features, pd)
        return Scored(self._encoded(columns), Tally.of(checked, bands, pd, watched), drawn)

    def _explained(self, applicants: NDArray[np.float64], declined: NDArray[np.bool_]) -> pa.Array:
        sentences: list[list[str] | None] = [None] * len(declined)
        places = np.flatnonzero(declined)
        for start in range(0, len(places), _EXPLAINED_AT_ONCE):
            some = places[start : start + _EXPLAINED_AT_ONCE]
            for place, found in zip(some.tolist(), self._model.explain(applicants[some]), strict=True):
                sentences[place] = [reason.sentence for reason in found]
        return pa.array(sentences, _REASONS_TYPE)

    def _encoded(self, columns: list[Any]) -> memoryview:
        table = pa.Table.from_arrays(columns, schema=self.schema)
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, self.schema, **self._encoding) as writer:
            writer.write_table(table, row_group_size=max(1, table.num_rows))
        return memoryview(sink.getvalue())


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """How columns are written: in the way that costs least, because scoring a row costs hardly more than writing it.

    Numbers and ids hardly repeat, so neither a dictionary nor a general compression makes much of them; integers become
    as short by their differences in half the time.
    """
    integers = [field.name for field in schema if pa.types.is_integer(field.type)]
    numbers = {field.name for field in schema if pa.types.is_primitive(field.type)}
    return {
        "compression": {field.name: "none" if field.name in numbers else "snappy" for field in schema},
        "use_dictionary": [field.name for field in schema if pa.types.is_dictionary(field.type)],
        # By which a reader skips what it does not look for.
        "write_statistics": [ROW, PROBABILITY],
        "column_encoding": dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
    }

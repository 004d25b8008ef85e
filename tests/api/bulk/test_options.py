"""How a portfolio is written: stated, or seen from its first bytes; never against what it is called."""

import pytest

from loan_default.api.bulk.options import FILE_OPTIONS, Options, options_of, query_of, written
from loan_default.errors import BulkInputError, InvalidQuery
from loan_default.schema.declaration import CsvFormat

PLAIN = Options(reasons=False, csv={})
DECLARED = CsvFormat(separator=";", decimal=",")


def test_options_are_words_or_json() -> None:
    assert options_of({"reasons": "true", "separator": "|"}) == Options(reasons=True, csv={"separator": "|"})
    assert options_of({"reasons": False, "encoding": None}) == PLAIN
    assert options_of({"live_drift": "true"}) == Options(reasons=False, csv={}, live_drift=True)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"reasons": "yes"}, "`reasons` must be `true` or `false`"),
        ({"reasons": 1}, "`reasons` must be `true` or `false`"),
        ({"live_drift": "on"}, "`live_drift` must be `true` or `false`"),
        ({"separator": "::"}, "separator must be one of"),
        ({"separator": 5}, "separator must be one of"),
        ({"encoding": "martian"}, "encoding must be the name of an encoding"),
        ({"decimal": "'"}, "decimal must be `.` or `,`"),
        ({"decimal": ","}, "separator and decimal must differ: name both"),
        ({"sep": ";"}, "`sep` is not known; there are reasons, live_drift, separator, encoding, decimal"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_right(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        options_of(given)
    assert complaint in caught.value.message


@pytest.mark.parametrize("query", [b"a=1", b"reasons=true&reasons=true", b"reasons", b"\xff=1", b"&" * 100])
def test_a_query_has_known_parameters_once_each(query: bytes) -> None:
    with pytest.raises(InvalidQuery, match="The query takes"):
        query_of(query, FILE_OPTIONS)


def test_a_query_is_decoded() -> None:
    assert query_of(b"separator=%3B&encoding=cp1252", FILE_OPTIONS) == {"separator": ";", "encoding": "cp1252"}
    assert query_of(b"", FILE_OPTIONS) == {}


@pytest.mark.parametrize(
    ("head", "name", "media_type", "kind", "gzipped"),
    [
        (b"PAR1", "p.parquet", "", "parquet", False),
        (b"PAR1", "", "application/octet-stream", "parquet", False),
        (b"\x1f\x8b\x08\x00", "p.csv.gz", "", "csv", True),
        (b"\x1f\x8b\x08\x00", "p.csv", "", "csv", True),
        (b"Inde", "P.CSV", "text/csv", "csv", False),
        (b"a", "", "", "csv", False),
    ],
)
def test_the_first_bytes_tell_the_kind(head: bytes, name: str, media_type: str, kind: str, gzipped: bool) -> None:
    found = written(PLAIN, DECLARED, head, name, media_type)
    assert (found.kind, found.gzipped, found.csv) == (kind, gzipped, None)


@pytest.mark.parametrize(
    ("head", "name", "media_type", "complaint"),
    [
        (b"a,b\n", "p.parquet", "", "called Parquet, and is none"),
        (b"a,b\n", "", "application/vnd.apache.parquet", "called Parquet, and is none"),
        (b"PAR1", "p.csv", "", "is a Parquet file: call it .parquet"),
        (b"a,b\n", "p.csv.gz", "", "is not compressed with gzip"),
        (b"PK\x03\x04", "p.csv", "", "is a zip archive"),
    ],
)
def test_a_file_that_is_not_what_it_is_called_is_refused(
    head: bytes, name: str, media_type: str, complaint: str
) -> None:
    with pytest.raises(BulkInputError) as caught:
        written(PLAIN, DECLARED, head, name, media_type)
    assert complaint in caught.value.message


def test_what_is_not_said_of_a_csv_is_as_declared() -> None:
    said = Options(reasons=False, csv={"encoding": "cp1252"})
    found = written(said, DECLARED, b"a;b\n", "p.csv", "")
    assert found.csv == CsvFormat(separator=";", decimal=",", encoding="cp1252")
    with pytest.raises(BulkInputError, match="encoding is said of a CSV"):
        written(said, DECLARED, b"PAR1", "", "")


def test_other_options_have_another_digest() -> None:
    assert PLAIN.digested() != Options(reasons=True, csv={}).digested()
    assert PLAIN.digested() != Options(reasons=False, csv={"separator": ";"}).digested()
    assert PLAIN.digested() != Options(reasons=False, csv={}, live_drift=True).digested()
    assert PLAIN.digested() == b'{"csv":{},"reasons":false}'  # as in versions that had no `live_drift`

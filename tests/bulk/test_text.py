"""Text that arrives in blocks: unpacked and decoded as if it were one."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from installation import ROOT
from portfolios import output, place, scored

from loan_default.bulk import text
from loan_default.bulk.order import Written
from loan_default.bulk.text import NotInEncoding, text_blocks
from loan_default.errors import BulkInputError
from loan_default.model import LoanModel

DATA = ROOT / "data" / "Default_Fin.csv"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a prime number of bytes, so that they end in the middle of everything."""
    monkeypatch.setattr(text, "BLOCK_BYTES", 4099)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("gzipped", [False, True])
def test_every_way_to_write_a_portfolio_gives_the_same_results(
    loan_model: LoanModel, tmp_path: Path, encoding: str, gzipped: bool
) -> None:
    words = DATA.read_text().replace("\n", ",Straße\n")
    (tmp_path / "plain.csv").write_text(words)
    content = words.encode(encoding)
    (tmp_path / "x.csv").write_bytes(gzip.compress(content) if gzipped else content)
    scored(tmp_path / "plain.csv", tmp_path / "plain", loan_model, rows=999)
    scored(tmp_path / "x.csv", tmp_path / "other", loan_model, Written(kind="csv", gzipped=gzipped), rows=999)
    assert output(tmp_path / "other") == output(tmp_path / "plain")


@given(st.text(max_size=50), st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-32"]), st.integers(1, 7))
def test_characters_may_be_cut_anywhere(
    tmp_path_factory: pytest.TempPathFactory, words: str, encoding: str, size: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "x"
    path.write_bytes(words.encode(encoding))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(text, "BLOCK_BYTES", size)
        found = b"".join(text_blocks(place(path), gzipped=False, encoding=encoding)).decode()
    # A byte order mark is no part of the text; UTF-16 and UTF-32 have taken their own away already.
    assert found == words.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("content", "encoding"), [(b"a\xff", "utf-8"), (b"\xc3", "utf-8"), (b"abc", "utf-16"), (b"\x81", "cp1252")]
)
def test_what_is_no_such_text_is_said(tmp_path: Path, content: bytes, encoding: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(NotInEncoding, match=f"is not {encoding} text"):
        list(text_blocks(place(tmp_path / "x"), gzipped=False, encoding=encoding))


def test_a_bomb_is_unpacked_a_block_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(bytes(50_000_000)))
    blocks = text_blocks(place(tmp_path / "x"), gzipped=True, encoding="utf-8", most_bytes=3 * text.BLOCK_BYTES)
    sizes = []
    with pytest.raises(BulkInputError, match="larger than 3,145,728 bytes"):  # noqa: PT012
        for block in blocks:
            sizes.append(len(block))  # noqa: PERF401
    assert max(sizes) <= text.BLOCK_BYTES

"""The ring of rows in a file."""

from pathlib import Path

import numpy as np
import pytest

from drift.ring import Fields, Ring

FIELDS: Fields = [("codes", "<u2", (2,))]


def filled(path: Path, size: int, rows: int, step: int = 3) -> Ring:
    ring = Ring.create(path, FIELDS, size)
    codes = np.arange(rows, dtype=np.uint16).repeat(2).reshape(rows, 2)
    for start in range(0, rows, step):
        ring.add(float(start), codes=codes[start : start + step])
    return ring


def kept(ring: Ring) -> set[int]:
    return set(np.asarray(ring.values("codes"))[:, 0].tolist())


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 6, 23])
def test_it_holds_the_latest_rows_and_no_other(tmp_path: Path, rows: int) -> None:
    ring = filled(tmp_path / "ring.npy", 5, rows)
    assert kept(ring) == set(range(max(rows - 5, 0), rows))
    assert (len(ring), ring.taken) == (min(rows, 5), rows)


def test_a_batch_larger_than_the_ring_leaves_its_end(tmp_path: Path) -> None:
    assert kept(filled(tmp_path / "ring.npy", 5, 23, step=23)) == {18, 19, 20, 21, 22}


@pytest.mark.parametrize("size", [3, 5, 9])
def test_it_is_there_after_a_restart_also_with_another_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "ring.npy"
    filled(path, 5, 13)
    again = Ring.open(path, FIELDS, size)
    latest = list(range(13 - min(size, 5), 13))
    assert kept(again) == set(latest)
    again.add(99.0, codes=np.array([[77, 77]], dtype=np.uint16))
    assert kept(again) == {*latest[-(size - 1) :], 77}
    assert again.between() == (float(latest[-(size - 1) :][0] // 3 * 3), 99.0)


def test_oldest_and_newest_are_known(tmp_path: Path) -> None:
    ring = filled(tmp_path / "ring.npy", 5, 13)
    assert ring.between() == (6.0, 12.0)
    assert Ring.create(tmp_path / "other.npy", FIELDS, 5).between() is None


def test_other_rows_are_refused_rather_than_misread(tmp_path: Path) -> None:
    path = tmp_path / "ring.npy"
    filled(path, 5, 13)
    with pytest.raises(ValueError, match="other rows"):
        Ring.open(path, [("codes", "<u2", (3,))])
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"."):
        Ring.open(path, FIELDS)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"."):
        Ring.open(path, FIELDS)

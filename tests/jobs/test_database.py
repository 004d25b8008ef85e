"""What the queue's database must be able to do."""

import pytest

from loan_default.errors import SettingsError
from loan_default.jobs.database import _require_sqlite


def test_python_3_12_with_an_old_sqlite_is_told_what_to_use() -> None:
    with pytest.raises(SettingsError, match=r"3\.42 or later .* this is 3\.40: use Python 3\.11, or Postgres"):
        _require_sqlite((3, 12), (3, 40))


@pytest.mark.parametrize(("python", "sqlite"), [((3, 11), (3, 40)), ((3, 12), (3, 42)), ((3, 13), (3, 45))])
def test_others_work(python: tuple[int, int], sqlite: tuple[int, int]) -> None:
    _require_sqlite(python, sqlite)

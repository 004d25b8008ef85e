"""Makes MLflow's own SQLite store right in another place: it keeps the absolute path of every artifact."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

_ARTIFACTS: Final = "mlartifacts"
# Where MLflow keeps addresses of artifacts; a table or column that its version does not have is passed over.
_ADDRESSES: Final = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_LOCAL: Final = re.compile(rf"(?:file://)?/(?:.*/)?{_ARTIFACTS}(/.*)?")


def point_to(database: Path, state: Path) -> int:
    """Make every address of an artifact in `…/mlartifacts` lead into the one of `state`; returns how many changed.

    Addresses of other places (a bucket, an MLflow server) stay as they are.
    """
    changed = 0
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in _ADDRESSES:
            known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if column not in known:
                continue
            query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608  # fixed names
            for (address,) in connection.execute(query).fetchall():
                local = _LOCAL.fullmatch(address)
                new = (state / _ARTIFACTS).as_uri() + (local[1] or "") if local else address
                if new != address:
                    update = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"  # noqa: S608  # fixed names
                    changed += connection.execute(update, (new, address)).rowcount
    return changed

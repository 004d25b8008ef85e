"""What is kept of a model's watch between checks, as JSON: its reference, alarms and trend.

The window has a file of its own, which is written with every sample.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from drift.alarm import Alarm
from loan_default.atomic import replacing
from loan_default.decision import Stored
from loan_default.drift_link.messages import Tag
from loan_default.psi import Drift
from loan_default.reference import Reference

_FILE = "watch.json"


class Check(Stored):
    """One comparison of the window with the reference.

    Attributes:
        at: when, Unix time.
        samples: in the window then.
        drift: by feature and for the PD.
        drifted: those whose alarm was on after it.
    """

    at: float
    samples: int
    drift: dict[str, Drift]
    drifted: tuple[str, ...] = ()


class Kept(Stored):
    """What is kept.

    Attributes:
        tag, version: of the model.
        features: their names in the model's order, and whether each is a code without an order.
        words: what their values 0, 1, … stand for, for those that are no numbers.
        kind: of the reference.
        asked: the kind that the settings asked for, with the live reference's size: another one begins anew.
        reference: None while live samples are gathered.
        alarms: by feature and for the PD.
        checks: the latest, the oldest first.
        since: when the verdict changed last, Unix time.
    """

    format: Literal[1] = 1
    tag: Tag
    version: str
    features: dict[str, bool]
    words: dict[str, list[str]] = Field(default_factory=dict)
    kind: Literal["training", "live"]
    asked: str
    reference: Reference | None = None
    alarms: dict[str, Alarm] = Field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    since: float | None = None


def keep(folder: Path, kept: Kept) -> None:
    """Write it, in one atomic step."""
    with replacing(folder / _FILE) as file:
        file.write(kept.model_dump_json().encode())


def read(folder: Path) -> Kept:
    """Read what `keep` wrote.

    Raises:
        OSError: there is nothing to read.
        ValueError: it is of another format, or damaged.
    """
    return Kept.model_validate_json((folder / _FILE).read_bytes())

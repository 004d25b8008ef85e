"""What the hot path hands over of a decision, and what is kept of it."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import msgspec

from loan_default.schema.columns import Value
from loan_default.served import Served

if TYPE_CHECKING:
    from loan_default.model import LoanModel


class Answering(Protocol):
    """A model that answers: which one it is, and the decision itself. One object for as long as it answers."""

    @property
    def served(self) -> Served:
        """Its tag and version."""

    @property
    def model(self) -> "LoanModel":
        """The trees, the threshold and the columns."""


class Decided(NamedTuple):
    """One decision as the hot path knows it; nothing is formatted yet.

    Attributes:
        decision_id: from `new_decision_id`.
        at: when, Unix time in seconds.
        request_id: of the HTTP request.
        key_id: which API key asked; never the key.
        reference: the caller's own name for the applicant, or "".
        face: how it was asked.
        pd: the calibrated probability of default.
        features: as scored, in full precision, in the order of the model's features.
        model: what answered.
    """

    decision_id: str
    at: float
    request_id: str
    key_id: str
    reference: str
    face: Literal["rest", "native"]
    pd: float
    features: list[float]
    model: Answering


class ModelRecord(msgspec.Struct, frozen=True):
    """Which model decided."""

    version: str
    tag: str
    run_id: str


class ReasonRecord(msgspec.Struct, frozen=True):
    """One reason for declining, as `reasons.Reason`."""

    feature: str
    direction: str
    contribution: float
    value: Value
    sentence: str


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of one decision.

    Attributes:
        inputs: what the model saw, derived features included, by name, as a person reads it; null = no value.
        reasons: of a declined applicant; None for any other, or when they could not be computed.
    """

    id: str
    time: datetime
    face: str
    key_id: str
    request_id: str
    reference: str
    probability: float
    prediction: int
    default_risk: str
    threshold: float
    model: ModelRecord
    inputs: dict[str, Value]
    reasons: list[ReasonRecord] | None = None


class Line(NamedTuple):
    """A record that is ready to be stored: JSON on one line, without the line's end."""

    id: str
    json: bytes


encode_record = msgspec.json.Encoder().encode


class _Format(msgspec.Struct):
    format: int = 1


_decode_format = msgspec.json.Decoder(_Format).decode
_decode_record = msgspec.json.Decoder(Record).decode


def decode_record(line: bytes | str) -> Record:
    """Read a record. Records of the first format do not name it; those of a later one will.

    Raises:
        MsgspecError: it is none, or of another format.
    """
    if _decode_format(line).format != 1:
        raise msgspec.ValidationError("a record of another format")
    return _decode_record(line)


def storable(text: str) -> str:
    """What a caller chose, without what JSON or Postgres cannot hold: nobody escapes the log by odd characters."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")

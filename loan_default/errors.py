"""What can go wrong, by name: each error with the HTTP status, the code callers can switch on, and the exit code.

The message is one sentence for the person who reads it: what is wrong, and what would be right. It may be shown to
callers, so it never holds a key, an applicant's values or a path outside the state folder.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

Detail = Mapping[str, object]


class LoanDefaultError(Exception):
    """Base of all errors this project raises on purpose."""

    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR
    code: str = "internal_error"
    exit_code: int = 1

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = list(details)


class SettingsError(LoanDefaultError):
    """An environment variable holds something it must not."""

    exit_code = 2


class SchemaError(LoanDefaultError):
    """The declaration of the applicant's columns is not a valid one."""

    exit_code = 2


class DataError(LoanDefaultError):
    """Training data that cannot be used: absent, unreadable, or not as declared."""

    exit_code = 2


class PromotionRefused(LoanDefaultError):
    """A trained model was registered, but a gate or a running service's callers kept it from being promoted."""

    exit_code = 3


class NoSuchVersion(LoanDefaultError):
    """A version that the registry does not have."""

    exit_code = 2


class NotReproduced(LoanDefaultError):
    """A training that was run again gave another model."""

    exit_code = 3


class CallersWouldBreak(LoanDefaultError):
    """A declaration differs from another in a way that callers would notice."""

    exit_code = 3


class ModelFileError(LoanDefaultError):
    """A stored model is incomplete, altered or of a format this version cannot read."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "model_unreadable"


class ModelUnavailable(LoanDefaultError):
    """No model to answer with, yet or any more."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "model_not_ready"


class DecisionLogUnavailable(LoanDefaultError):
    """A decision that must be recorded and cannot be, or a decision log that cannot be read."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "decision_log_unavailable"


class NoSuchDecision(LoanDefaultError):
    """A decision that the decision log does not have, any more or at all."""

    exit_code = 2


class MissingKey(LoanDefaultError):
    """A call without an API key."""

    status = HTTPStatus.UNAUTHORIZED
    code = "missing_api_key"


class WrongKey(LoanDefaultError):
    """A call with a key that is not ours."""

    status = HTTPStatus.FORBIDDEN
    code = "wrong_api_key"


class InvalidApplicant(LoanDefaultError):
    """A request whose fields are not what the declaration says."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_applicant"


class MalformedBody(LoanDefaultError):
    """A request body that is not JSON at all."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "malformed_body"


class BodyTooLarge(LoanDefaultError):
    """A request body over the limit of its call."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body_too_large"


class UnsupportedMediaType(LoanDefaultError):
    """A request body of a type its call does not read."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"


class NoSuchCall(LoanDefaultError):
    """A path that nothing answers."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class WrongMethod(LoanDefaultError):
    """A path that answers, but not to this method."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"This call takes {allowed} only.")
        self.allowed = allowed

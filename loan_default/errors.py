"""What can go wrong, by name: each error with the HTTP status, the code callers can switch on, and the exit code.

The message is one sentence for the person who reads it: what is wrong, and what would be right. It may be shown to
callers, so it never holds a key, an applicant's values or a path outside the state folder.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType

Detail = Mapping[str, object]


class LoanDefaultError(Exception):
    """Base of all errors this project raises on purpose."""

    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR
    code: str = "internal_error"
    exit_code: int = 1
    # Of the answer, beside those that every answer has.
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = list(details)


class SettingsError(LoanDefaultError):
    """An environment variable holds something it must not."""

    exit_code = 2


class KeysFileError(SettingsError):
    """The file of named keys is not a valid one, or does not let itself be changed as asked."""


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


class ModelRefused(LoanDefaultError):
    """A running service was told to take up a model that it must not take; the present one goes on answering."""

    status = HTTPStatus.CONFLICT
    code = "model_refused"


class Busy(LoanDefaultError):
    """More calls at once than a worker answers in good time."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "busy"
    headers = MappingProxyType({"Retry-After": "1"})


class TooSlow(LoanDefaultError):
    """A call that was not sent, or not answered, in its time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "too_slow"
    headers = MappingProxyType({"Connection": "close"})  # the rest of its body is not waited for


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
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class WrongKey(LoanDefaultError):
    """A call with a key that is not ours."""

    status = HTTPStatus.FORBIDDEN
    code = "wrong_api_key"


class MissingScope(LoanDefaultError):
    """A call with a key that may do other things, but not this."""

    status = HTTPStatus.FORBIDDEN
    code = "missing_scope"

    def __init__(self, needed: str) -> None:
        super().__init__(f"This call needs a key with the scope {needed}.")


class TooManyAttempts(LoanDefaultError):
    """A call from an address that sent too many wrong keys."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_wrong_keys"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("Too many wrong API keys came from this address: wait, then send a right one.")
        self.headers = {"Retry-After": str(retry_after_s)}


class RateLimited(LoanDefaultError):
    """A call that would go over the number of applicants its key may have scored in a minute.

    `retry_after_s` is None when waiting does not help, because the call alone is more than the limit.
    """

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate_limited"

    def __init__(self, message: str, limit: int, remaining: int, reset_s: int, retry_after_s: int | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.headers = {
            "RateLimit-Limit": str(limit),
            "RateLimit-Remaining": str(remaining),
            "RateLimit-Reset": str(reset_s),
        }
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)


class InvalidApplicant(LoanDefaultError):
    """A request whose fields are not what the declaration says."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_applicant"


class InvalidQuery(LoanDefaultError):
    """A query parameter that a call does not know, or with a value it does not take."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_query"
    exit_code = 2


class InvalidHeader(LoanDefaultError):
    """A request header with a value that its call does not take."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_header"


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

    def __init__(self) -> None:
        super().__init__("There is no such call; /openapi.json lists the calls there are.")


class WrongMethod(LoanDefaultError):
    """A path that answers, but not to this method."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"This call takes {allowed} only.")
        self.headers = {"Allow": allowed}


class BulkInputError(LoanDefaultError):
    """A portfolio that cannot be scored: not readable, without a column it needs, empty or too long."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_portfolio"
    exit_code = 2


class JobInterrupted(LoanDefaultError):
    """A run of bulk scoring that could not go on, by no fault of the portfolio; another goes on where it stopped."""


class NoSuchJob(LoanDefaultError):
    """A job that is not there, any more or at all, or that belongs to another key."""

    status = HTTPStatus.NOT_FOUND
    code = "no_such_job"
    exit_code = 2

    def __init__(self) -> None:
        super().__init__("There is no such job: the id is wrong, its files have expired, or another key made it.")


class JobConflict(LoanDefaultError):
    """A call that a job does not take in the state it is in."""

    status = HTTPStatus.CONFLICT
    code = "job_conflict"
    exit_code = 2


class TooManyJobs(LoanDefaultError):
    """More jobs of one key at once than are taken."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_jobs"
    headers = MappingProxyType({"Retry-After": "60"})


class JobsUnavailable(LoanDefaultError):
    """The database or the storage of jobs does not answer, or is full."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "jobs_unavailable"
    headers = MappingProxyType({"Retry-After": "5"})


class DriftUnavailable(LoanDefaultError):
    """The drift monitor does not answer, or there is none."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "drift_unavailable"
    headers = MappingProxyType({"Retry-After": "5"})


class BackupError(LoanDefaultError):
    """A back-up that cannot be made, read or restored; nothing half is left."""

    exit_code = 2


class NoDriftReport(LoanDefaultError):
    """A drift report that cannot be made: there is nothing to compare with, or the page cannot be written."""

    exit_code = 2


class JobUnreadable(LoanDefaultError):
    """A job whose `job.json` is damaged, or was written by another version."""

    code = "job_unreadable"

    def __init__(self) -> None:
        super().__init__(
            "The job's description cannot be read (damaged, or of another version): hand the portfolio in anew."
        )


class JobFilesMissing(LoanDefaultError):
    """A job whose files are gone."""

    code = "job_files_missing"

    def __init__(self) -> None:
        super().__init__("Files of the job are missing: hand the portfolio in anew, or put them back and retry.")


class UnexpectedJobError(LoanDefaultError):
    """A job that failed in a way nobody thought of; the log has more."""

    code = "unexpected_job_error"

    def __init__(self) -> None:
        super().__init__("An unexpected error ended the job; the worker's log has it under the job's id.")

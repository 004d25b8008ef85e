"""Structured logs: one line per event on standard error, JSON in production, each with the id of its request.

Everything goes through loguru, BentoML's and uvicorn's own lines included. Applicants' values and keys are never
logged: callers pass facts about a request, not the request.
"""

import json
import logging
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING

from loguru import logger
from pydantic import ValidationError

from loan_default.settings import Settings
from loan_default.tracing import current_ids

if TYPE_CHECKING:
    from loguru import Message, Record

# The id of the request that is being answered; empty outside of requests.
request_id: ContextVar[str] = ContextVar("request_id", default="")

_TEXT = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level: <7} {extra[request_id]: <32} {message} {extra[facts]}\n{exception}"


def configure_logging(settings: Settings) -> None:
    """Send all logs of this process to standard error in the configured format; safe to call again."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    logger.remove()
    traced = settings.otel_exporter_otlp_endpoint is not None
    logger.configure(patcher=_add_request_and_trace if traced else _add_request_id)
    if as_json:
        logger.add(_write_json, level=settings.log_level, backtrace=False, diagnose=False)
    else:
        # `diagnose` would print the values of variables, an applicant's among them.
        logger.add(sys.stderr, level=settings.log_level, format=_text_format, backtrace=False, diagnose=False)
    _take_over_standard_logging()


def _add_request_id(record: "Record") -> None:
    record["extra"].setdefault("request_id", request_id.get())


def _add_request_and_trace(record: "Record") -> None:
    _add_request_id(record)
    record["extra"].update(current_ids())


def _text_format(record: "Record") -> str:
    facts = {name: value for name, value in record["extra"].items() if name not in {"request_id", "facts"}}
    record["extra"]["facts"] = " ".join(f"{name}={value}" for name, value in facts.items())
    return _TEXT


def _write_json(message: "Message") -> None:
    record = message.record
    line: dict[str, object] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        "logger": record["name"],
        "process": record["process"].id,
        **record["extra"],
    }
    if record["exception"] is not None:
        line["exception"] = str(message).partition("\n")[2].strip()
    sys.stderr.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")


class _ToLoguru(logging.Handler):
    """Hands a line of the standard library's logging on to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and isinstance(record.exc_info[1], ValidationError):
            # BentoML logs a caller's mistake as an error of its own, with the values that were sent: an applicant's.
            # Over HTTP it reads no applicant (`api/native.py` does), but a caller in this process may err, too.
            return
        level = record.levelname if record.levelname in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"} else "INFO"
        logger.patch(lambda entry: entry.__setitem__("name", record.name)).opt(exception=record.exc_info).log(
            level, record.getMessage()
        )


def _take_over_standard_logging() -> None:
    handler = _ToLoguru()
    logging.root.handlers = [handler]
    for name in ("bentoml", "uvicorn", "uvicorn.error", "uvicorn.access"):
        named = logging.getLogger(name)
        named.handlers = []
        # Without anybody to hear it, uvicorn does not format a line for each request; `Observe` logs what failed.
        named.propagate = name != "uvicorn.access"
    # DBOS makes itself heard on its own unless it finds somebody who hears it.
    logging.getLogger("dbos").handlers = [handler]
    logging.getLogger("dbos").propagate = False

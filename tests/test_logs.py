"""Logs: one JSON line per event, with the request's id, without an applicant's values."""

import json
import logging

import pytest
from loguru import logger
from pydantic import BaseModel, ValidationError

from loan_default.logs import configure_logging, request_id
from loan_default.settings import Settings


@pytest.fixture
def as_json(settings: Settings) -> Settings:
    return settings.model_copy(update={"log_format": "json"})


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_carries_the_request_id_and_its_facts(as_json: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(as_json)
    token = request_id.set("abc")
    logger.bind(status=200).info("Answered\nin two lines")
    request_id.reset(token)
    (line,) = lines(capsys)
    assert (line["message"], line["request_id"], line["status"]) == ("Answered\nin two lines", "abc", 200)


def test_lines_of_the_standard_library_come_too(as_json: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(as_json)
    logging.getLogger("bentoml.serve").warning("from %s", "BentoML")
    (line,) = lines(capsys)
    assert (line["message"], line["level"], line["logger"]) == ("from BentoML", "WARNING", "bentoml.serve")


def test_an_exception_is_told_without_the_values_of_variables(
    as_json: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(as_json)

    def score(balance: float) -> float:
        return balance / 0

    balance = 4242.0 + 0.125
    try:
        score(balance)
    except ZeroDivisionError:
        logger.exception("Unexpected error")
    (line,) = lines(capsys)
    assert "ZeroDivisionError" in str(line["exception"])
    assert "4242.125" not in str(line)


def test_a_callers_mistake_is_not_logged_with_what_was_sent(
    as_json: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(as_json)

    class Sent(BaseModel):
        balance: int

    try:
        Sent.model_validate({"balance": "4242.125"})
    except ValidationError:
        logging.getLogger("bentoml.serve").exception("Exception on /predict")
    assert lines(capsys) == []


def test_text_is_readable_and_debug_is_off_by_default(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings.model_copy(update={"log_format": "text"}))
    logger.debug("not this")
    logger.bind(status=422).info("Answered")
    text = capsys.readouterr().err
    assert "Answered status=422" in text
    assert "not this" not in text


def test_uvicorn_has_nobody_to_tell_of_each_request(settings: Settings) -> None:
    """Fails when uvicorn is given a hearer again: it then formats a line for each request, which costs 4 µs."""
    configure_logging(settings)
    assert not logging.getLogger("uvicorn.access").hasHandlers()
    assert logging.getLogger("uvicorn.error").hasHandlers()

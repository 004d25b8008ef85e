"""How a running worker takes up another model, and what it refuses."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from face import KEY, Face
from installation import ROOT
from models import put_in_production
from prometheus_client import REGISTRY

from loan_default.api.models import Models
from loan_default.errors import ModelFileError, ModelRefused, ModelUnavailable
from loan_default.model import LoanModel
from loan_default.served import Served, is_pinned
from loan_default.settings import Settings

APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}


@pytest.fixture
def models(settings: Settings, promoted: Served) -> Models:
    assert promoted.model_folder.is_dir()
    running = Models(settings, ROOT)
    running.start()
    assert version(running) == "7"
    return running


def version(models: Models) -> str:
    assert models.loaded is not None
    return models.loaded.served.version


def refused() -> float:
    return REGISTRY.get_sample_value("loan_model_taken_up_total", {"outcome": "refused"}) or 0.0


def test_a_newly_promoted_model_is_taken_up_at_the_next_look(
    models: Models, settings: Settings, loan_model: LoanModel
) -> None:
    put_in_production(settings, loan_model, "8")
    asyncio.run(models.look(0.0))
    assert version(models) == "8"


def test_looks_are_as_far_apart_as_the_setting_says(models: Models, settings: Settings, loan_model: LoanModel) -> None:
    asyncio.run(models.look(100.0))
    put_in_production(settings, loan_model, "8")
    asyncio.run(models.look(100.0 + settings.model_watch_s / 2))
    assert version(models) == "7"
    asyncio.run(models.look(100.0 + settings.model_watch_s))
    assert version(models) == "8"


def test_with_the_watch_off_a_worker_waits_until_it_or_another_is_told(
    settings: Settings, promoted: Served, loan_model: LoanModel
) -> None:
    assert promoted.model_folder.is_dir()
    without = settings.model_copy(update={"model_watch_s": 0})
    first, second = Models(without, ROOT), Models(without, ROOT)
    for one in (first, second):
        one.start()
    put_in_production(settings, loan_model, "8")
    asyncio.run(second.look(10.0))
    assert version(second) == "7"
    asyncio.run(first.take_up(for_all=True))
    asyncio.run(second.look(11.0))
    assert (version(first), version(second)) == ("8", "8")


def test_an_altered_model_is_refused_once_and_the_present_one_goes_on(
    models: Models, settings: Settings, loan_model: LoanModel
) -> None:
    broken = put_in_production(settings, loan_model, "8")
    (broken.model_folder / "booster.ubj").write_bytes(b"{}")
    with pytest.raises(ModelFileError, match=r"booster\.ubj"):
        asyncio.run(models.take_up())
    asyncio.run(models.look(50.0))
    assert version(models) == "7"


def test_a_pointer_to_a_model_of_another_store_is_told_of_once_and_the_present_one_goes_on(
    models: Models, settings: Settings, loan_model: LoanModel, logged: list[str]
) -> None:
    """Somebody promoted with another BENTOML_HOME."""
    before = refused()
    for promotions, version_elsewhere in enumerate(("8", "9"), start=1):
        elsewhere = put_in_production(settings, loan_model, version_elsewhere)
        shutil.rmtree(elsewhere.folder)
        for look in range(3):
            asyncio.run(models.look(100.0 * promotions + look * 2 * settings.model_watch_s))
        assert refused() - before == promotions
        told = [line for line in logged if "The newly promoted model is not taken up" in line]
        assert len(told) == promotions
        assert f"loan_default:{version_elsewhere}-" in told[-1]
        assert "check BENTOML_HOME" in told[-1]
    assert version(models) == "7"


def test_a_worker_that_nothing_was_promoted_for_has_nothing_to_tell(settings: Settings, logged: list[str]) -> None:
    before = refused()
    models = Models(settings, ROOT)
    asyncio.run(models.look(0.0))
    with pytest.raises(ModelUnavailable):
        asyncio.run(models.take_up())
    assert refused() == before
    assert logged == []


def test_columns_that_would_break_callers_are_refused(
    models: Models, settings: Settings, credit_model: LoanModel
) -> None:
    put_in_production(settings, credit_model, "9")
    with pytest.raises(ModelRefused, match="would break callers"):
        asyncio.run(models.take_up())
    assert version(models) == "7"


def test_a_model_that_does_not_answer_its_own_example_is_refused(
    models: Models, settings: Settings, loan_model: LoanModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_production(settings, loan_model, "8")
    monkeypatch.setattr(LoanModel, "pd_of_features", lambda *_: (_ for _ in ()).throw(RuntimeError("no")))
    with pytest.raises(ModelRefused, match="example"):
        asyncio.run(models.take_up())
    assert version(models) == "7"


def test_inside_a_bento_the_model_never_changes(
    models: Models, settings: Settings, loan_model: LoanModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "bento.yaml").write_text("services: []")
    monkeypatch.setattr(models, "_pinned", is_pinned(settings, tmp_path / "src"))
    put_in_production(settings, loan_model, "8")
    with pytest.raises(ModelRefused, match="roll"):
        asyncio.run(models.take_up())
    asyncio.run(models.look(0.0))
    assert version(models) == "7"


def test_a_first_model_is_taken_up_too(settings: Settings, loan_model: LoanModel) -> None:
    models = Models(settings, ROOT)
    models.start()
    assert models.loaded is None
    put_in_production(settings, loan_model, "1")
    asyncio.run(models.look(0.0))
    assert version(models) == "1"


def test_a_column_that_may_be_left_out_breaks_nobody(
    settings: Settings, credit_model: LoanModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that was checked by the old type is scored by the new model, its new column missing."""
    optional = next(column for column in credit_model.schema.columns if column.may_be_missing)
    fewer = credit_model.schema.model_copy(
        update={"columns": [column for column in credit_model.schema.columns if column != optional]}
    )
    put_in_production(settings, credit_model, "7")
    models = Models(settings, ROOT)
    monkeypatch.setattr(models, "schema", fewer)
    models.start()
    assert models.loaded is not None
    example = dict(credit_model.schema.example)
    example.pop(optional.name, None)
    old_type = models.applicant_model
    applicant = old_type.model_validate(example)
    assert models.loaded.row(applicant) == models.loaded.encoder.row(
        models.loaded.applicant_model.model_validate(example)
    )


def test_the_call_needs_the_scope_and_tells_what_answers_now(
    settings: Settings, promoted: Served, loan_model: LoanModel
) -> None:
    assert promoted.model_folder.is_dir()
    face = Face(settings)
    assert "was already answering" in face.call("POST", "/api/v1/model/reload", headers=KEY).json()["message"]
    put_in_production(settings, loan_model, "8")
    answer = face.call("POST", "/api/v1/model/reload", headers=KEY)
    assert (answer.status_code, answer.json()["data"]["version"]) == (200, "8")
    assert face.predict(APPLICANT).json()["data"]["model_version"] == "8"


def test_the_call_says_why_it_refuses(settings: Settings, promoted: Served, credit_model: LoanModel) -> None:
    assert promoted.model_folder.is_dir()
    face = Face(settings)
    put_in_production(settings, credit_model, "9")
    answer = face.call("POST", "/api/v1/model/reload", headers=KEY)
    assert (answer.status_code, answer.json()["error"]) == (409, "model_refused")
    assert "bank_balance" in answer.json()["message"]
    assert json.loads(face.predict(APPLICANT).content)["data"]["model_version"] == "7"

"""A model as a folder: saved and loaded without losing a bit, and refused when any file is not what was saved."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loan_default.errors import ModelFileError
from loan_default.model import LoanModel
from loan_default.training.data import Dataset

PARTS = ["booster.ubj", "decision.json", "schema.json", "about.json", "reference.json"]
FILES = [*PARTS, "checksums.json"]


@pytest.fixture
def folder(loan_model: LoanModel, tmp_path: Path) -> Path:
    """A saved model."""
    loan_model.save(tmp_path / "parents" / "loan_model")
    return tmp_path / "parents" / "loan_model"


def seal(folder: Path) -> None:
    """Make the checksums right for whatever the files hold now."""
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in PARTS}
    (folder / "checksums.json").write_text(json.dumps(sums), encoding="utf-8")


def rewrite(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    seal(path.parent)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_loaded_model_answers_as_the_saved_one_to_the_last_bit(
    loan_model: LoanModel, dataset: Dataset, folder: Path, threads: int
) -> None:
    loaded = LoanModel.load(folder, threads)
    assert loaded.pd(dataset.applicants).tobytes() == loan_model.pd(dataset.applicants).tobytes()


def test_a_loaded_model_has_the_same_decision_schema_and_origin(loan_model: LoanModel, folder: Path) -> None:
    loaded = LoanModel.load(folder)
    assert (loaded.decision, loaded.schema, loaded.about) == (loan_model.decision, loan_model.schema, loan_model.about)


def test_a_loaded_model_has_the_same_training_population(loan_model: LoanModel, folder: Path) -> None:
    assert loan_model.reference is not None
    assert LoanModel.load(folder).reference == loan_model.reference


def test_a_model_of_an_earlier_version_has_no_training_population(loan_model: LoanModel, tmp_path: Path) -> None:
    replace(loan_model, reference=None).save(tmp_path / "earlier")
    assert not (tmp_path / "earlier" / "reference.json").exists()
    assert LoanModel.load(tmp_path / "earlier").reference is None


def test_a_training_population_that_the_checksums_do_not_know_is_not_believed(
    loan_model: LoanModel, folder: Path, tmp_path: Path
) -> None:
    replace(loan_model, reference=None).save(tmp_path / "earlier")
    (tmp_path / "earlier" / "reference.json").write_bytes((folder / "reference.json").read_bytes())
    assert LoanModel.load(tmp_path / "earlier").reference is None


def test_the_training_population_of_another_model_is_refused(
    credit_model: LoanModel, folder: Path, tmp_path: Path
) -> None:
    credit_model.save(tmp_path / "other")
    (folder / "reference.json").write_bytes((tmp_path / "other" / "reference.json").read_bytes())
    seal(folder)
    with pytest.raises(ModelFileError, match=r"reference\.json.*other features"):
        LoanModel.load(folder)


def test_saving_a_loaded_model_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    LoanModel.load(folder).save(tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_the_folder_holds_xgboosts_format_and_json_but_no_pickle(folder: Path) -> None:
    assert sorted(path.name for path in folder.rglob("*")) == sorted(FILES)
    assert (folder / "booster.ubj").read_bytes().startswith(b"{L")
    for name in FILES[1:]:
        assert isinstance(json.loads((folder / name).read_text(encoding="utf-8")), dict)


def test_an_existing_folder_is_never_overwritten(loan_model: LoanModel, folder: Path) -> None:
    with pytest.raises(FileExistsError):
        loan_model.save(folder)


def test_a_row_alone_is_answered_as_in_a_batch_to_the_last_bit(loan_model: LoanModel, dataset: Dataset) -> None:
    rows = dataset.applicants[::20]
    alone = np.concatenate([loan_model.pd(rows[i : i + 1]) for i in range(len(rows))])
    assert alone.tobytes() == loan_model.pd(rows).tobytes()


def test_no_rows_get_no_answers(loan_model: LoanModel) -> None:
    assert loan_model.pd(np.empty((0, 3))).shape == (0,)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="incomplete"):
        LoanModel.load(tmp_path / "none")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=f"incomplete.*{name}"):
        LoanModel.load(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_named(folder: Path, name: str, left: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(left * len(content))])
    with pytest.raises(ModelFileError, match=name):
        LoanModel.load(folder)


@pytest.mark.parametrize("name", PARTS)
def test_one_altered_bit_is_noticed_and_only_its_file_named(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"altered.*\(checksum of: {name}\)"):
        LoanModel.load(folder)


def test_all_altered_files_are_named_in_one_go(folder: Path) -> None:
    for name in ("decision.json", "about.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"\(checksum of: decision\.json, about\.json\)"):
        LoanModel.load(folder)


@pytest.mark.parametrize(
    "content", [b"", b"not json", b"[]", b'["x"]', b"1", b"null", b'"x"', b"\xff\xfe", b"[" * 10**5]
)
def test_checksums_that_are_none_are_refused(folder: Path, content: bytes) -> None:
    (folder / "checksums.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"checksums\.json"):
        LoanModel.load(folder)


@pytest.mark.parametrize("content", ["{}", '{"booster.ubj": 1}', '{"booster.ubj": null, "../etc": []}'])
def test_checksums_that_miss_a_file_name_it(folder: Path, content: str) -> None:
    (folder / "checksums.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"checksum of: booster\.ubj, decision\.json, schema\.json, about\.json"):
        LoanModel.load(folder)


def test_checksums_of_an_unknown_file_are_refused(folder: Path) -> None:
    sums = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
    (folder / "checksums.json").write_text(json.dumps({**sums, "extra.pkl": "0"}), encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"checksums\.json"):
        LoanModel.load(folder)


@pytest.mark.parametrize("name", ["decision", "reference"])
@pytest.mark.parametrize("number", [0, 2, "1"])
def test_another_format_number_is_refused_even_with_right_checksums(folder: Path, number: object, name: str) -> None:
    rewrite(folder / f"{name}.json", lambda content: content.update(format=number))
    with pytest.raises(ModelFileError, match=rf"{name}\.json .*cannot be read by this version"):
        LoanModel.load(folder)


@pytest.mark.parametrize("name", ["decision.json", "schema.json", "about.json", "reference.json"])
def test_an_unknown_key_is_refused_even_with_right_checksums(folder: Path, name: str) -> None:
    rewrite(folder / name, lambda content: content.update(extra=1))
    with pytest.raises(ModelFileError, match=name):
        LoanModel.load(folder)


def test_a_schema_with_another_number_of_features_is_refused(folder: Path) -> None:
    rewrite(folder / "schema.json", lambda content: content.update(derived=[]))
    with pytest.raises(ModelFileError, match=r"saving_rate.*its schema\.json declares"):
        LoanModel.load(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"hello", b"{L\x00\xd8\xff"])
def test_a_booster_of_an_unknown_format_is_refused_even_with_right_checksums(folder: Path, content: bytes) -> None:
    (folder / "booster.ubj").write_bytes(content)
    seal(folder)
    with pytest.raises(ModelFileError, match=r"booster\.ubj"):
        LoanModel.load(folder)


def test_a_declined_applicant_is_told_what_raises_the_risk(loan_model: LoanModel) -> None:
    (reasons,) = loan_model.explain(np.array([[1.0, 30_000.0, 400_000.0]]))
    assert reasons[0].feature == "bank_balance"
    assert {reason.direction for reason in reasons} == {"raises the risk"}
    assert reasons[0].sentence.startswith("What the applicant owes on the credit card.")


def test_every_applicant_gets_the_reasons_it_would_get_alone(loan_model: LoanModel, dataset: Dataset) -> None:
    rows = dataset.applicants[:50]
    assert loan_model.explain(rows) == [loan_model.explain(rows[i : i + 1])[0] for i in range(50)]

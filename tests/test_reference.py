"""The training population in bins: what is kept of it, and counting scored rows against it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from loan_default.model import LoanModel
from loan_default.reference import PD, Reference, ReferenceCounter
from loan_default.schema import Schema
from loan_default.training.data import Dataset

THRESHOLD = 0.15


def kept(model: LoanModel) -> Reference:
    assert model.reference is not None
    return model.reference


def counted(model: LoanModel, applicants: NDArray[np.float64]) -> ReferenceCounter:
    counter = ReferenceCounter(kept(model))
    counter.add(model.features.values(applicants), model.pd(applicants))
    return counter


def test_every_feature_and_the_pd_are_described_over_all_rows(credit_model: LoanModel, credit_dataset: Dataset) -> None:
    reference = kept(credit_model)
    assert list(reference.features) == credit_model.schema.feature_names
    assert {bins.rows for bins in (*reference.features.values(), reference.pd)} == {len(credit_dataset)}


def test_categories_are_kept_by_value_and_amounts_by_quantiles(credit_model: LoanModel) -> None:
    features = kept(credit_model).features
    assert (features["home"].kind, features["income"].kind) == ("values", "quantiles")
    assert len(features["income"].points) <= 9


def test_no_single_applicants_extreme_is_kept(credit_model: LoanModel, credit_dataset: Dataset) -> None:
    values = credit_model.features.values(credit_dataset.applicants)
    for bins, column in zip(kept(credit_model).features.values(), values.T, strict=True):
        for point in bins.points if bins.kind == "quantiles" else ():
            assert (column <= point).sum() >= 5
            assert (column > point).sum() >= 5
        assert all(rows >= 5 for rows in bins.counts)


def test_it_is_a_few_kilobytes(loan_model: LoanModel, credit_model: LoanModel) -> None:
    assert len(kept(loan_model).model_dump_json()) < 4_000
    assert len(kept(credit_model).model_dump_json()) < 10_000


def test_the_training_rows_themselves_have_not_drifted(credit_model: LoanModel, credit_dataset: Dataset) -> None:
    drift = counted(credit_model, credit_dataset.applicants).drift(THRESHOLD)
    assert list(drift) == [*credit_model.schema.feature_names, PD]
    assert {name: found.psi for name, found in drift.items() if name != PD} == pytest.approx(
        dict.fromkeys(credit_model.schema.feature_names, 0), abs=1e-12
    )
    assert not any(found.drifted for found in drift.values())


def test_every_third_applicant_is_no_drift(loan_model: LoanModel, dataset: Dataset) -> None:
    drift = counted(loan_model, dataset.applicants[::3]).drift(THRESHOLD)
    assert not drift[PD].drifted
    assert drift[PD].psi < 0.01


def test_other_applicants_are_drift_of_what_changed_and_of_the_pd(loan_model: LoanModel, dataset: Dataset) -> None:
    others = dataset.applicants[:2_000].copy()
    others[:, 1] *= 1.5
    drift = counted(loan_model, others).drift(THRESHOLD)
    assert {name for name, found in drift.items() if found.drifted} == {"bank_balance", "saving_rate", PD}
    assert all(found.psi > found.critical for found in drift.values() if found.drifted)


def test_chunks_merged_in_any_order_count_like_one(loan_model: LoanModel, dataset: Dataset) -> None:
    chunks = [counted(loan_model, rows) for rows in np.array_split(dataset.applicants, 7)]
    together = ReferenceCounter(kept(loan_model))
    for chunk in chunks[::-1]:
        together.merge(chunk)
    whole = counted(loan_model, dataset.applicants)
    assert together.counts == whole.counts
    assert together.drift(THRESHOLD) == whole.drift(THRESHOLD)


def test_counts_kept_as_json_are_taken_up_again(loan_model: LoanModel, dataset: Dataset) -> None:
    counter = counted(loan_model, dataset.applicants[:100])
    again = ReferenceCounter(kept(loan_model))
    again.add_counts(counter.counts)
    assert again.counts == counter.counts
    assert sum(again.counts[PD]) == 100


def test_counts_of_another_model_are_refused(loan_model: LoanModel, credit_model: LoanModel) -> None:
    with pytest.raises(ValueError, match="another model"):
        ReferenceCounter(kept(loan_model)).add_counts(ReferenceCounter(kept(credit_model)).counts)


def test_no_rows_are_no_drift(loan_model: LoanModel) -> None:
    assert ReferenceCounter(kept(loan_model)).drift(THRESHOLD) == {}


def test_no_column_can_have_the_name_of_the_pd(schema: Schema) -> None:
    content = schema.model_dump(mode="json")
    content["columns"][0]["name"] = PD
    with pytest.raises(ValueError, match="pattern"):
        Schema.model_validate(content)

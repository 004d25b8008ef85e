"""The training population in bins: what is kept of it, and counting scored rows against it."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from loan_default.model import LoanModel
from loan_default.psi import Drift
from loan_default.reference import PD, PopulationWatch, Reference
from loan_default.schema import Schema
from loan_default.training.data import Dataset

THRESHOLD = 0.15


def kept(model: LoanModel) -> Reference:
    assert model.reference is not None
    return model.reference


def watch(model: LoanModel) -> PopulationWatch:
    return PopulationWatch(kept(model), THRESHOLD)


def counts(model: LoanModel, applicants: NDArray[np.float64]) -> dict[str, list[int]]:
    return watch(model).counts(model.features.matrix(applicants), model.pd(applicants))


def drift(model: LoanModel, applicants: NDArray[np.float64]) -> dict[str, Drift]:
    return watch(model).drift(counts(model, applicants))


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
    found = drift(credit_model, credit_dataset.applicants)
    assert list(found) == [*credit_model.schema.feature_names, PD]
    assert {name: each.psi for name, each in found.items() if name != PD} == pytest.approx(
        dict.fromkeys(credit_model.schema.feature_names, 0), abs=1e-12
    )
    assert not any(each.drifted for each in found.values())


def test_every_third_applicant_is_no_drift(loan_model: LoanModel, dataset: Dataset) -> None:
    found = drift(loan_model, dataset.applicants[::3])
    assert not found[PD].drifted
    assert found[PD].psi < 0.01


def test_other_applicants_are_drift_of_what_changed_and_of_the_pd(loan_model: LoanModel, dataset: Dataset) -> None:
    others = dataset.applicants[:2_000].copy()
    others[:, 1] *= 1.5
    found = drift(loan_model, others)
    assert {name for name, each in found.items() if each.drifted} == {"bank_balance", "saving_rate", PD}
    assert all(each.psi > each.critical for each in found.values() if each.drifted)


def test_counts_of_chunks_add_up_to_those_of_all_rows(loan_model: LoanModel, dataset: Dataset) -> None:
    chunks = [counts(loan_model, rows) for rows in np.array_split(dataset.applicants, 7)]
    together = {name: np.sum([chunk[name] for chunk in chunks], axis=0).tolist() for name in chunks[0]}
    assert together == counts(loan_model, dataset.applicants)


def test_values_at_the_end_of_a_bin_are_counted_where_the_reference_has_them(
    loan_model: LoanModel, dataset: Dataset
) -> None:
    """In other floats than the reference's, 0.1 may lie beyond the end that stands for it."""
    values = np.random.default_rng(0).integers(0, 20, len(dataset)) / 10
    features = np.column_stack([values] * 4).astype(np.float32)
    reference = Reference.of(loan_model.schema, features, loan_model.pd(dataset.applicants))
    found = PopulationWatch(reference, THRESHOLD).counts(features, loan_model.pd(dataset.applicants))
    assert found["employed"] == reference.features["employed"].reference.tolist()


def test_no_rows_are_no_drift(loan_model: LoanModel, dataset: Dataset) -> None:
    assert drift(loan_model, dataset.applicants[:0]) == {}
    assert watch(loan_model).drift({}) == {}


def test_a_model_without_its_training_population_compares_nothing(loan_model: LoanModel) -> None:
    assert isinstance(loan_model.population_watch(THRESHOLD), PopulationWatch)
    assert replace(loan_model, reference=None).population_watch(THRESHOLD) is None


def test_no_column_can_have_the_name_of_the_pd(schema: Schema) -> None:
    content = schema.model_dump(mode="json")
    content["columns"][0]["name"] = PD
    with pytest.raises(ValueError, match="pattern"):
        Schema.model_validate(content)

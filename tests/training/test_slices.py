"""Slices: each group of an audit column with what happened, what was predicted and what was decided."""

import numpy as np

from loan_default.schema import Schema
from loan_default.schema.declaration import AuditColumn
from loan_default.training.data import Dataset
from loan_default.training.evaluate import Predictions
from loan_default.training.slices import OTHERS, Slice, approval_ratios, as_dicts, slices

AGE = {"name": "age", "header": "Age", "description": "Age.", "edges": [25, 40]}


def sliced(schema: Schema, groups: list[str], target: list[int], pd: list[float], **column: object) -> list[Slice]:
    audit = AuditColumn.model_validate({**AGE, **column})
    data = Dataset(np.zeros((len(groups), 3)), np.array(target), "", {"age": np.array(groups, dtype=object)})
    predictions = Predictions(np.array(pd), np.array(pd) >= 0.5, np.array(target))
    return slices(data, schema.model_copy(update={"audit": (audit,)}), predictions)


def test_a_slice_counts_its_rows_defaults_and_decisions(schema: Schema) -> None:
    first, second = sliced(schema, ["under 25", "under 25", "40 and over"], [1, 0, 0], [0.75, 0.25, 0.1])
    assert first == Slice("age", "under 25", 2, 1, 0.5, 0.5)
    assert first.default_rate == 0.5
    assert second == Slice("age", "40 and over", 1, 0, 0.1, 0.0)


def test_groups_of_numbers_come_from_low_to_high(schema: Schema) -> None:
    found = sliced(schema, ["40 and over", "under 25", "25 to under 40"], [0, 1, 0], [0.1, 0.2, 0.3])
    assert [each.group for each in found] == ["under 25", "25 to under 40", "40 and over"]


def test_the_smallest_of_many_groups_are_taken_together(schema: Schema) -> None:
    groups = [f"town {i:02}" for i in range(25) for _ in range(30 - i)]
    found = sliced(schema, groups, [0] * len(groups), [0.1] * len(groups), edges=[])
    assert len(found) == 21
    others = next(each for each in found if each.group == OTHERS)
    assert others.rows == sum(30 - i for i in range(20, 25))
    assert sum(each.rows for each in found) == len(groups)


def test_the_slices_of_real_loans_add_up(credit_dataset: Dataset, credit_schema: Schema) -> None:
    pd = np.linspace(0, 1, len(credit_dataset))
    found = slices(credit_dataset, credit_schema, Predictions(pd, pd > 0.5, credit_dataset.target))
    for column in ("age", "marital_status"):
        of_column = [each for each in found if each.column == column]
        assert sum(each.rows for each in of_column) == len(credit_dataset)
        assert sum(each.defaults for each in of_column) == credit_dataset.target.sum()
    assert [each.group for each in found if each.column == "age"][0::4] == ["under 25", "55 and over"]


def test_a_slice_is_json(schema: Schema) -> None:
    (only,) = sliced(schema, ["under 25"], [1], [0.75])
    assert only.as_dict() == {
        "column": "age",
        "group": "under 25",
        "rows": 1,
        "defaults": 1,
        "mean_pd": 0.75,
        "declined": 1.0,
        "default_rate": 1.0,
    }


def test_the_default_data_are_sliced_by_employment(dataset: Dataset, schema: Schema) -> None:
    pd = np.full(len(dataset), 0.03)
    students, employed = slices(dataset, schema, Predictions(pd, pd > 0.5, dataset.target))
    assert (students.column, students.group, students.rows, employed.group, employed.rows) == (
        "employed",
        "0",
        2_944,
        "1",
        7_056,
    )


def test_approval_ratios_compare_with_the_largest_group_of_the_column() -> None:
    largest, other = Slice("age", "a", 90, 1, 0.1, 0.2), Slice("age", "b", 10, 1, 0.1, 0.6)
    alone = Slice("town", "c", 5, 1, 0.1, 0.9)
    assert approval_ratios([other, largest, alone]) == {other: 0.5, largest: 1.0, alone: 1.0}
    assert [each["approval_ratio"] for each in as_dicts([other, largest, alone])] == [0.5, 1.0, 1.0]


def test_where_nobody_is_approved_there_is_no_ratio() -> None:
    groups = [Slice("age", name, 10, 1, 0.9, 1.0) for name in "ab"]
    assert [each["approval_ratio"] for each in as_dicts(groups)] == [None, None]

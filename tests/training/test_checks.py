"""Leakage and sense: each rule of `checks.py` from both sides of its limit, and no alarm over honest or random data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from examples.credit_data.fetch import fetch
from loan_default.schema import Schema, load_schema
from loan_default.training.checks import Finding, findings, separation
from loan_default.training.data import Dataset, read_dataset

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "credit_data" / "credit_data.schema.yaml"
ROWS = 1000
DEFAULTS = 100
NAN = float("nan")


def number(**declared: Any) -> dict[str, Any]:
    rest = {"name": "x", "header": "The X", "type": "number", "unit": "$", "description": "X.", "risk_reason": "None."}
    return {"example": 1, **rest, **declared}


def integer(**declared: Any) -> dict[str, Any]:
    return number(type="integer", **declared)


def flag(**declared: Any) -> dict[str, Any]:
    rest = {"name": "x", "header": "The X", "type": "boolean", "description": "X.", "risk_reason": "None."}
    return {"example": True, **rest, **declared}


def choice(count: int = 3, **declared: Any) -> dict[str, Any]:
    rest = {"name": "x", "header": "The X", "type": "category", "description": "X.", "risk_reason": "None."}
    return {"categories": [f"c{i}" for i in range(count)], "example": "c0", **rest, **declared}


def own(*columns: dict[str, Any]) -> Schema:
    target = {"header": "Bad", "positive": 1, "negative": 0, "description": "Bad."}
    return Schema.model_validate({"name": "own", "columns": columns, "target": target})


def outcomes(rows: int = ROWS, defaults: int = DEFAULTS) -> Ints:
    """The first rows are the defaults."""
    return (np.arange(rows) < defaults).astype(np.int64)


def random(rows: int = ROWS, seed: int = 0) -> Floats:
    """Normally distributed values."""
    return np.random.default_rng(seed).normal(size=rows)


def coins(rows: int = ROWS, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).integers(0, 2, rows).astype(np.float64)


def found(declared: dict[str, Any], values: Floats, target: Ints | None = None, **rest: Any) -> list[Finding]:
    """What is found in data of this one column."""
    target = outcomes(len(values)) if target is None else target
    return findings(Dataset(values[:, None], target, "", **rest), own(declared))


def about(text: str, told: list[Finding]) -> list[bool]:
    """For each finding that says this, whether it is a refusal."""
    return [finding.refused for finding in told if text in finding.text]


def alone(declared: dict[str, Any], values: Floats, target: Ints | None = None) -> list[bool]:
    return about("'The X' alone tells who defaulted", found(declared, values, target))


def measured(declared: dict[str, Any], values: Floats, target: Ints) -> tuple[float, float]:
    return separation(own(declared).columns[0], values, target)


def planted(where: Any, value: float, elsewhere: Floats | None = None) -> Floats:
    values = random() if elsewhere is None else elsewhere.copy()
    values[where] = value
    return values


# A column that alone tells who defaulted.


@pytest.mark.parametrize("declared", [number(), integer(), flag(), choice(2)], ids=lambda c: str(c["type"]))
@pytest.mark.parametrize("turned", [False, True])
def test_a_copy_of_the_target_is_refused(declared: dict[str, Any], turned: bool) -> None:
    target = outcomes()
    values = (1 - target if turned else target).astype(np.float64)
    assert alone(declared, values) == [True]
    assert measured(declared, values, target) == (1, 1)


def test_the_finding_says_what_was_measured_and_what_to_do() -> None:
    told = found(number(), outcomes().astype(np.float64))
    assert told[0] == Finding(
        "'The X' alone tells who defaulted (ROC-AUC 1.000; it gives away 100% of the defaults): is it known only after "
        "the loan was granted? Then ignore it",
        refused=True,
    )


def all_defaults_and(others: int, value: float = 1) -> Floats:
    """A column with one value in all defaults and in this many of the 900 others; its ROC-AUC is 1 − others / 1800."""
    return np.where(np.arange(ROWS) < DEFAULTS + others, value, 0.0)


@pytest.mark.parametrize(("others", "expected"), [(17, [True]), (19, [False]), (53, [False]), (55, [])])
@pytest.mark.parametrize("declared", [number(), integer(), flag(), choice(2)], ids=lambda c: str(c["type"]))
def test_the_roc_auc_of_a_column_is_held_against_two_limits(
    declared: dict[str, Any], others: int, expected: list[bool]
) -> None:
    auc, given_away = measured(declared, all_defaults_and(others), outcomes())
    assert auc == pytest.approx(1 - others / 1800)
    assert given_away == 0
    assert alone(declared, all_defaults_and(others)) == expected


@pytest.mark.parametrize(("others", "expected"), [(17, [True]), (19, [False]), (53, [False]), (55, [])])
@pytest.mark.parametrize("declared", [number(), integer(), flag(), choice(2)], ids=lambda c: str(c["type"]))
def test_a_leak_in_nothing_but_what_is_missing_is_found(
    declared: dict[str, Any], others: int, expected: list[bool]
) -> None:
    values = np.where(np.isnan(all_defaults_and(others, NAN)), NAN, coins())
    assert alone(declared | {"may_be_missing": True}, values) == expected


@pytest.mark.parametrize(("count", "expected"), [(9, []), (10, [False]), (49, [False]), (50, [True])])
@pytest.mark.parametrize(
    ("declared", "value", "elsewhere"),
    [
        (number(), -99, random()),
        (number(), 99, random()),
        (number(), 0, random()),
        (integer(), 5, np.round(10 * random())),
        (number(may_be_missing=True), NAN, random()),
        (choice(), 2, coins()),
        (choice(may_be_missing=True), NAN, coins()),
        (flag(may_be_missing=True), NAN, coins()),
    ],
    ids=["lowest", "highest", "within", "an integer", "missing", "category", "missing category", "missing boolean"],
)
def test_a_value_that_only_defaults_have_gives_them_away(
    declared: dict[str, Any], value: float, elsewhere: Floats, count: int, expected: list[bool]
) -> None:
    # No other row has the value.
    values = planted(slice(count), value, np.where(elsewhere == value, value + 1, elsewhere))
    assert alone(declared, values) == expected


@pytest.mark.parametrize(("count", "expected"), [(9, []), (10, [False]), (50, [True])])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_end_of_many_values_that_only_defaults_have_gives_them_away(
    count: int, expected: list[bool], sign: int
) -> None:
    values = random()
    order = np.argsort(values[: ROWS - DEFAULTS]) + DEFAULTS
    values[order[[0, -1]]] = sign * -50.0  # a repaid loan at the other end, and one beside the planted ones
    values[order[1]] = sign * 50.0
    values[:count] = sign * (100 + np.arange(count))
    values[count:DEFAULTS] = np.clip(values[count:DEFAULTS], -40, 40)
    assert alone(number(), values) == expected


@pytest.mark.parametrize(("others", "expected"), [(0, [False]), (2, [False]), (3, [])])
def test_a_hundredth_of_others_does_not_hide_a_leak(others: int, expected: list[bool]) -> None:
    target = outcomes(4000, 1000)
    values = coins(4000)
    values[1000 - 198 : 1000 + others] = 2
    assert alone(choice(), values, target) == expected


def test_defaults_at_both_ends_are_a_leak_too() -> None:
    values = random()
    values[:DEFAULTS] = np.where(np.arange(DEFAULTS) % 2, 50, -50) + values[:DEFAULTS]
    assert alone(number(), values) == [True]


def test_a_column_whose_middle_repays_is_seen_by_its_deciles() -> None:
    target = outcomes(2000, 400)
    values = np.concatenate([np.tile([-3.0, 3.0], 200), np.tile([-3.0, 3.0], 12), np.zeros(1576)])
    auc, given_away = measured(number(), values, target)
    assert auc == pytest.approx(1 - 24 / 3200)
    assert given_away == 0
    assert alone(number(), values, target) == [True]


@pytest.mark.parametrize("defaults", [600, 2000, 6000])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_strong_but_honest_column_is_never_refused(defaults: int, sign: int) -> None:
    target = outcomes(20_000, defaults)
    values = np.multiply(sign, random(20_000) + 2.326 * target)
    assert measured(number(), values, target)[0] == pytest.approx(0.95, abs=0.005)
    # `alone` tells of each finding whether it refuses the column; a warning (False) is allowed here.
    assert not any(alone(number(), values, target))


@pytest.mark.parametrize("seed", range(5))
def test_a_strong_but_honest_column_is_not_even_warned_of_where_few_default(seed: int) -> None:
    target = outcomes(20_000, 600)
    assert alone(number(), random(20_000, seed) + 2.326 * target, target) == []


@pytest.mark.parametrize(("defaults", "expected"), [(9, []), (10, [True])])
def test_too_few_defaults_prove_nothing(defaults: int, expected: list[bool]) -> None:
    target = outcomes(ROWS, defaults)
    assert alone(number(), target.astype(np.float64), target) == expected


@pytest.mark.parametrize("size", [9, 10])
def test_categories_of_a_few_rows_are_judged_together(size: int) -> None:
    target = np.tile([1] * size + [0] * size, 20)
    values = np.repeat(np.arange(40), size).astype(np.float64)  # each category is of one class alone
    assert measured(choice(40), values, target)[0] == (1.0 if size == 10 else 0.5)


def test_the_rank_of_a_column_in_which_all_are_missing_is_that_of_chance() -> None:
    assert measured(number(), np.full(ROWS, NAN), outcomes()) == (0.5, 0)


def noise(seed: int) -> tuple[Dataset, Schema]:
    """Columns of every kind that have nothing to do with the outcome."""
    generator = np.random.default_rng(seed)
    rows, rate, categories = (100, 300, 1000)[seed % 3], generator.uniform(0.03, 0.5), int(generator.integers(2, 51))
    columns = {
        "amount": number(may_be_missing=True),
        "ties": integer(),
        "word": choice(categories, may_be_missing=True),
        "flag": flag(),
    }
    values = np.column_stack(
        [
            generator.lognormal(size=rows),
            generator.integers(0, generator.integers(2, 30), rows),
            generator.integers(0, categories, rows),
            generator.random(rows) < generator.uniform(0.02, 0.5),
        ]
    )
    values[generator.random(rows) < generator.uniform(0, 0.5), 0] = NAN
    values[generator.random(rows) < 0.1, 2] = NAN
    target = (generator.random(rows) < rate).astype(np.int64)
    target[:2] = [0, 1]
    return Dataset(values, target, ""), own(*(c | {"name": name, "header": name} for name, c in columns.items()))


def test_noise_is_never_taken_for_a_leak() -> None:
    for seed in range(200):
        assert about("alone tells", findings(*noise(seed))) == [], seed


@pytest.mark.parametrize("rows", [2, 3, 20])
@pytest.mark.parametrize("defaults", [1, 2, 10])
def test_a_handful_of_rows_is_looked_at_without_alarm(rows: int, defaults: int) -> None:
    target = outcomes(rows, min(defaults, rows - 1))
    values = np.column_stack([random(rows), np.full(rows, NAN), coins(rows), coins(rows, 1)])
    columns = [number(may_be_missing=True), number(may_be_missing=True), choice(2), flag()]
    schema = own(*(c | {"name": f"x{i}", "header": f"X{i}"} for i, c in enumerate(columns)))
    assert about("alone tells", findings(Dataset(values, target, ""), schema)) == []


# A column that numbers the rows.


@pytest.mark.parametrize("step", [1, -1, 7])
@pytest.mark.parametrize(("rows", "expected"), [(49, []), (50, [True])])
def test_an_integer_that_counts_the_rows_is_refused(step: int, rows: int, expected: list[bool]) -> None:
    values = 100 + step * np.arange(rows, dtype=np.float64)
    assert about("'The X' numbers the rows", found(integer(), values, outcomes(rows, 5))) == expected


@pytest.mark.parametrize("change", [(10, 11), (0, 999)])
def test_a_counter_with_two_rows_changed_over_is_an_id_still(change: tuple[int, int]) -> None:
    values = np.arange(ROWS, dtype=np.float64)
    values[list(change)] = values[list(reversed(change))]
    told = found(integer(), values, outcomes()[::-1])
    assert about("'The X' numbers the rows", told) == []
    assert about("'The X' has a value of its own in nearly every row", told) == [False]


def distinct(count: int, rows: int = ROWS) -> Floats:
    """Shuffled values, this many of them different."""
    values = np.minimum(np.arange(rows), count - 1).astype(np.float64)
    return np.random.default_rng(0).permutation(values)


@pytest.mark.parametrize(("count", "expected"), [(950, []), (951, [False]), (1000, [False])])
@pytest.mark.parametrize("declared", [integer(), choice(1000)], ids=lambda c: str(c["type"]))
def test_a_value_of_its_own_in_nearly_every_row_is_warned_of(
    declared: dict[str, Any], count: int, expected: list[bool]
) -> None:
    assert about("'The X' has a value of its own in nearly every row", found(declared, distinct(count))) == expected


@pytest.mark.parametrize("values", [distinct(ROWS), np.arange(ROWS, dtype=np.float64)], ids=["shuffled", "rising"])
def test_an_amount_may_differ_from_row_to_row(values: Floats) -> None:
    target = outcomes()[np.random.default_rng(1).permutation(ROWS)]
    assert found(number(), values, target) == []


def test_categories_in_the_order_of_the_declaration_do_not_number_the_rows() -> None:
    target = outcomes()[np.random.default_rng(1).permutation(ROWS)]
    told = found(choice(ROWS), np.arange(ROWS, dtype=np.float64), target)
    assert [finding.refused for finding in told] == [False]


def test_only_rows_that_have_a_value_count_for_ids() -> None:
    values = planted(slice(0, ROWS, 2), NAN, distinct(ROWS))
    assert about("has a value of its own", found(integer(may_be_missing=True), values)) == [False]


# What is missing.


@pytest.mark.parametrize(
    ("declared", "remedy"),
    [
        (number(may_be_missing=True), "declare may_be_missing: false"),
        (flag(may_be_missing=True), "declare may_be_missing: false"),
        (choice(2, may_be_missing=True), "declare may_be_missing: false"),
        (choice(2, unknown="missing"), "declare unknown: refuse"),
    ],
    ids=["number", "boolean", "category", "unknown category"],
)
def test_a_column_that_may_be_missing_but_never_is_is_refused(declared: dict[str, Any], remedy: str) -> None:
    told = found(declared, coins())
    assert about("'The X' may be missing by its declaration but never is in these data", told) == [True]
    assert told[0].text.endswith(f"; {remedy}")


def test_the_advice_for_a_category_with_both_ways_to_be_missing_names_both() -> None:
    told = found(choice(2, may_be_missing=True, unknown="missing"), coins())
    assert "unknown: refuse" in told[0].text
    assert "may_be_missing: false" in told[0].text


@pytest.mark.parametrize("rows", [0, 1, 30])
@pytest.mark.parametrize("declared", [number(), flag(), choice(2)], ids=lambda c: str(c["type"]))
def test_a_column_that_may_not_be_missing_is_not_asked_about_it(declared: dict[str, Any], rows: int) -> None:
    assert about("The X", found(declared, planted(slice(500, 500 + rows), NAN, coins()))) == []


@pytest.mark.parametrize(("rows", "expected"), [(1, [False]), (29, [False]), (30, [])])
@pytest.mark.parametrize(
    "declared", [number(may_be_missing=True), choice(2, unknown="missing")], ids=["gap", "unknown"]
)
def test_a_few_missing_values_are_warned_of(declared: dict[str, Any], rows: int, expected: list[bool]) -> None:
    told = found(declared, planted(slice(500, 500 + rows), NAN, coins()))
    assert about(f"'The X' is missing in {rows} rows only", told) == expected
    assert about("'The X'", told) == expected


@pytest.mark.parametrize(("rows", "share"), [(949, None), (950, "95.0%"), (999, "99.9%")])
def test_a_column_that_is_almost_always_missing_is_warned_of(rows: int, share: str | None) -> None:
    told = found(number(may_be_missing=True), planted(slice(ROWS - rows, ROWS), NAN), outcomes()[::-1])
    assert about(f"'The X' is missing in {share} of the rows", told) == ([] if share is None else [False])


# Columns that say nothing.


@pytest.mark.parametrize(
    ("declared", "value", "shown"),
    [
        (number(), 1.5, "1.5"),
        (integer(), 3, "3"),
        (flag(), 0, "False"),
        (choice(), 2, "'c2'"),
    ],
)
def test_a_constant_column_is_warned_of_with_its_value(declared: dict[str, Any], value: float, shown: str) -> None:
    told = found(declared, np.full(ROWS, float(value)))
    assert about(f"'The X' is {shown} in every row, so nothing can be learnt from it", told) == [False]
    assert not any(finding.refused for finding in told)


@pytest.mark.parametrize("declared", [number(may_be_missing=True), choice(may_be_missing=True)])
def test_a_column_without_any_value_is_refused(declared: dict[str, Any]) -> None:
    assert about("'The X' is missing in every row", found(declared, np.full(ROWS, NAN))) == [True]


@pytest.mark.parametrize("other", [2.0, NAN])
def test_one_other_value_makes_a_column_no_constant(other: float) -> None:
    assert about("in every row", found(number(may_be_missing=True), planted(3, other, np.ones(ROWS)))) == []


@pytest.mark.parametrize(("unknown", "fate"), [("refuse", "refused"), ("missing", "scored as missing")])
def test_declared_categories_that_no_row_has_are_warned_of(unknown: str, fate: str) -> None:
    told = found(choice(4, unknown=unknown), planted(slice(500, 600), NAN, coins() * 2))
    assert about(f"no row has 'c1', 'c3' in 'The X'; such applicants will be {fate}", told) == [False]


def test_categories_that_every_row_could_have_are_not_mentioned() -> None:
    assert about("The X", found(choice(2), coins())) == []


# Rows, ids and headers.


@pytest.mark.parametrize(("repeats", "expected"), [(10, []), (11, [False])])
@pytest.mark.parametrize("value", [0.5, NAN])
def test_repeated_rows_are_warned_of_gaps_in_them_included(repeats: int, value: float, expected: list[bool]) -> None:
    values = np.random.default_rng(0).normal(size=(ROWS, 2))
    values[500 : 501 + repeats] = [value, 7]
    schema = own(number(name="a", header="A", may_be_missing=True), number())
    told = findings(Dataset(values, outcomes(), ""), schema)
    assert about(f"{repeats} of 1,000 rows repeat another one in every column", told) == expected


def test_the_same_applicant_with_another_outcome_is_no_repeated_row() -> None:
    values = random(500).repeat(2)
    assert about("repeat another one", found(number(), values, np.tile([0, 1], 500))) == []
    assert about("500 of 1,000 rows repeat another one", found(number(), values, np.repeat([0, 1], 500))) == [False]


def test_repeated_ids_are_warned_of_with_the_first_of_them() -> None:
    ids = np.array([*"ddccbbbaa", *map(str, range(ROWS - 9))], dtype=object)
    told = found(number(), random(), ids=ids)
    assert about("4 ids stand in more than one row, such as 'a', 'b', 'c'", told) == [False]


def test_ids_of_their_own_are_not_mentioned() -> None:
    assert found(number(), random(), ids=np.arange(ROWS).astype(str).astype(object)) == []


def test_headers_that_the_declaration_does_not_mention_are_warned_of() -> None:
    told = found(number(), random(), undeclared=("Branch", ""))
    assert about("the declaration does not mention 'Branch', '', so nothing is learnt from it", told) == [False]


def test_refusals_come_first() -> None:
    values = np.column_stack([np.ones(ROWS), outcomes()]).astype(np.float64)
    told = findings(Dataset(values, outcomes(), "", undeclared=("Z",)), own(number(name="a", header="A"), number()))
    assert [finding.refused for finding in told] == sorted((finding.refused for finding in told), reverse=True)
    assert told[0].text.startswith("'The X' alone tells")
    assert "'A' is 1.0 in every row" in told[1].text


def test_looking_does_not_change_the_data() -> None:
    data, schema = noise(0)
    before = data.applicants.tobytes() + data.target.tobytes()
    findings(data, schema)
    assert data.applicants.tobytes() + data.target.tobytes() == before


# Real data.


def test_there_is_nothing_to_say_about_the_default_data(dataset: Dataset, schema: Schema) -> None:
    assert findings(dataset, schema) == []


def test_all_there_is_to_say_about_the_credit_data_is_how_little_is_missing(tmp_path: Path) -> None:
    fetch(tmp_path / "credit_data.csv")
    schema = load_schema(EXAMPLE)
    little = "rows only, little to learn what that means from"
    assert findings(read_dataset(tmp_path / "credit_data.csv", schema), schema) == [
        Finding(f"'Home' is missing in 6 {little}"),
        Finding(f"'Job' is missing in 2 {little}"),
        Finding(f"'Debt' is missing in 18 {little}"),
    ]

"""Answers of a page are compared so that a difference is noticed, and chance is not."""

import json
import os
from pathlib import Path

import pytest
from installation import ROOT
from worked_examples import Answer, Example, Page, Reader, approximately, in_lines

PAGE = Page((ROOT / "docs" / "examples.md").read_text(encoding="utf-8"))
SHOWN = """{"probability": 0.25, "job_id": "0123456789abcdef0123456789abcdef", "at": "2026-11-25T23:25:57+00:00",
 "model_tag": "loan_default:1-2db230f7", "seconds": 0.1, "trend": [{"psi": 1}, {"psi": 2}], "rows": [1, 2]}"""


def same(one: str, other: str) -> bool:
    return bool(Answer("200", one).comparable() == approximately(Answer("200", other).comparable()))


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ("0123456789abcdef0123456789abcdef", "f" * 32),
        ("23:25:57+00:00", "08:00:00.123Z"),
        ("1-2db230f7", "1-00000000"),
        ('"seconds": 0.1', '"seconds": null'),
        ('[{"psi": 1}, {"psi": 2}]', '[{"psi": 2}]'),
        ("0.25", "0.25000000000000006"),
    ],
)
def test_chance_is_no_difference(found: str, instead: str) -> None:
    assert found in SHOWN
    assert same(SHOWN.replace(found, instead), SHOWN)


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ("0.25", "0.2500001"),
        ("0123456789abcdef0123456789abcdef", "0123"),
        ("2026-11-25T23:25:57+00:00", "yesterday"),
        ("loan_default:1-", "loan_default:2-"),
        ('{"psi": 2}', '{"psi": 3}'),
        ("[1, 2]", "[1]"),
        ('"seconds"', '"minutes"'),
    ],
)
def test_anything_else_is_one(found: str, instead: str) -> None:
    assert found in SHOWN
    assert not same(SHOWN.replace(found, instead), SHOWN)


def test_text_is_compared_line_by_line_with_numbers_as_far_as_machines_agree() -> None:
    assert same("row,pd\n1,0.0007869156347709638\n", "row,pd\n1,0.0007869156347709640")
    assert not same("row,pd\n1,0.0007869156347709638\n", "row,pd\n1,0.0007869256347709638")
    assert not same("a\nb\n", "a\n")


def test_json_in_lines_is_the_same_json() -> None:
    value = json.loads(SHOWN) | {"many": list(range(200)), "names": {f"a name {i}": i / 7 for i in range(50)}, "no": {}}
    text = in_lines(value)
    assert json.loads(text) == value
    assert max(map(len, text.splitlines())) <= 120


def test_a_page_written_anew_with_the_same_answers_is_the_same_page() -> None:
    assert len(PAGE.examples) > 50
    assert PAGE.with_answers({example.number: example.shown for example in PAGE.examples}) == PAGE.text


def test_a_block_knows_what_those_before_it_have_set_and_tells_the_status(tmp_path: Path) -> None:
    page = Page(
        "# One\n\n```sh\nNAME=you\nhi() { echo hi $1; }\n```\n\n# Two\n\n```sh\nhi $NAME\n```\n\n```text\nhi me\n```\n"
    )
    reader = Reader(tmp_path, dict(os.environ), {})
    answers = [reader.run(example) for example in page.examples]
    assert answers == [Answer(None, ""), Answer(None, "hi you\n")]
    assert page.with_answers(dict(enumerate(answers))) == page.text.replace("hi me", "hi you")


def test_a_block_that_fails_fails_the_test(tmp_path: Path) -> None:
    broken = Example(0, "Broken", "sh", "false\ntrue\n", Answer(None, ""))
    with pytest.raises(AssertionError, match="Broken"):
        Reader(tmp_path, dict(os.environ), {}).run(broken)

"""The documents say what the code says: settings, calls, metrics, links, decisions."""

import ast
import json
import re
from pathlib import Path

import pytest
from installation import ROOT
from promql import declared, labels_of

from loan_default.api.bulk.routes import BATCH_CALLS, TASK_CALLS
from loan_default.api.docs_page import DOCUMENT_PATH
from loan_default.api.native_calls import NATIVE_CALLS
from loan_default.api.rest import REST_PATHS
from loan_default.schema import Schema
from loan_default.schema.columns import BooleanColumn, CategoryColumn, NumberColumn
from loan_default.schema.declaration import AuditColumn, CsvFormat, Gates, IgnoredColumn, Segment, StageGates, Target
from loan_default.schema.derived import Derived, Difference, Log, Ratio
from loan_default.settings import Settings

README = (ROOT / "README.md").read_text()
OBSERVABILITY = (ROOT / "docs" / "observability.md").read_text()
# How loguru itself is set up, and `opt(exception=…)`, put nothing into a line.
SETTING_UP = {"add", "configure", "remove", "patch"}
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "data" / "README.md"])
DOCUMENTS += sorted((ROOT / "examples").rglob("*.md"))


def settings_rows() -> list[tuple[str, str, str]]:
    rows = []
    for name, field in Settings.model_fields.items():
        default = "unset" if field.default is None else f"`{field.default}`"
        rows.append((f"`{name.upper()}`", default, str(field.description)))
    return rows


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    table = re.search(r"\| variable \| default \| meaning \|\n\|.*\|\n((?:\|.*\|\n)+)", README)
    assert table is not None
    listed = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in table[1].splitlines()]
    assert listed == settings_rows()


def test_env_example_lists_every_setting_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    text = (ROOT / ".env.example").read_text()
    listed = re.findall(r"^(?:# )?([A-Z_]+)=", text, flags=re.MULTILINE)
    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)
    assert Settings(_env_file=ROOT / ".env.example") == Settings(_env_file=None)


def test_the_readme_lists_every_call() -> None:
    for path in {*REST_PATHS, *NATIVE_CALLS, DOCUMENT_PATH, "/docs"}:
        assert re.search(rf"`(GET|POST) {re.escape(path)}`", README), path


def test_the_page_on_bulk_lists_every_call_of_jobs() -> None:
    page = (ROOT / "docs" / "bulk.md").read_text()
    calls = [(method, path) for path, methods in BATCH_CALLS.items() for method in methods]
    for method, path in [*calls, *((method, path) for path, method in TASK_CALLS.items())]:
        assert f"`{method} {path}`" in page, path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_page_on_own_data_explains_every_key_of_a_declaration_and_no_other() -> None:
    page = (ROOT / "docs" / "own-data.md").read_text()
    listed = {key for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    parts = (Schema, NumberColumn, BooleanColumn, CategoryColumn, Derived)
    declared = {key for part in parts for key in part.model_fields}
    in_the_text = {"ratio", "difference", "log"}
    assert listed - in_the_text == declared - in_the_text
    nested = (CsvFormat, Target, AuditColumn, Segment, IgnoredColumn, Ratio, Difference, Log, StageGates, Gates)
    for key in {key for part in nested for key in part.model_fields}:
        assert re.search(rf"`[^`]*\b{key}\b[^`]*`", page), key


def test_every_decision_is_in_their_index() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"]({page.name})" in index


def test_the_architecture_page_names_every_module_or_its_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    for path in (ROOT / "loan_default").glob("*.py"):
        assert path.name == "__init__.py" or path.name in page, path.name
    for room in ("api", "backup", "decision_log", "drift_link", "rate_limit", "schema", "security", "training"):
        assert f"loan_default/{room}/" in page
    for path in (ROOT / "drift").glob("*.py"):
        assert path.name == "__init__.py" or path.name in page, path.name


def test_the_security_review_has_the_ten_items_and_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "security-review.md").read_text()
    sections = re.split(r"^## API(\d+) ", page, flags=re.MULTILINE)
    assert sections[1::2] == [str(number) for number in range(1, 11)]
    for text in sections[2::2]:
        named = re.findall(r"^- `([\w/]+\.py)::(test_\w+)`$", text, re.MULTILINE)
        assert named
        for file, name in named:
            assert f"def {name}(" in (ROOT / "tests" / file).read_text(), name


def test_the_page_on_observability_lists_every_metric_as_it_is() -> None:
    listed = re.findall(r"^\| `(loan_\w+)` \| (\w+) \| (.*?) \| (.+) \|$", OBSERVABILITY, re.MULTILINE)
    described = [(name, next(iter(one.describe())), labels_of(one)) for name, one in declared().items()]
    assert listed == [
        (name, about.type, ", ".join(f"`{label}`" for label in labels), about.documentation)
        for name, about, labels in described
    ]


def test_the_page_on_observability_lists_every_field_of_the_log() -> None:
    table = OBSERVABILITY.partition("| field | when | meaning |")[2].partition("\n\n")[0]
    always = {"time", "level", "message", "logger", "process", "request_id", "exception", "trace_id", "span_id"}
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == always | bound_in_the_code()


def bound_in_the_code() -> set[str]:
    """The names of all facts that are put into lines of the log: `bind(name=…)`, `contextualize(name=…)`."""
    names: set[str] = set()
    for path in [*(ROOT / "loan_default").rglob("*.py"), *(ROOT / "drift").rglob("*.py"), ROOT / "service.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if ast.unparse(node.func).startswith("logger.") and node.func.attr not in SETTING_UP:
                assert all(keyword.arg for keyword in node.keywords), f"{path.name}: name each fact"
                names |= {str(keyword.arg) for keyword in node.keywords} - {"exception"}
    return names


def test_json_examples_of_the_readme_are_json() -> None:
    blocks = re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        json.loads(block)


def test_the_readme_quotes_the_benchmark_as_it_is() -> None:
    def rows(text: str, columns: list[int]) -> list[list[str]]:
        table = text[text.index("| server | CPU µs / request") :].partition("\n\n")[0]
        cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
        return [[row[i] for i in columns] for row in cells]

    whole = rows((ROOT / "docs" / "benchmarks.md").read_text(), [0, 1, 2, 3, 4, 6])
    assert rows(README, list(range(6))) == whole
    assert len(whole) > 6

"""examples/explore.ipynb says what its code does: run from top to bottom, and every output compared.

`EXAMPLES=write pytest tests/e2e/test_notebook.py` writes the outputs of today into it.
"""

import base64
import os
import re
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from installation import ROOT, environment

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

FILE = ROOT / "examples" / "explore.ipynb"
SHOWN = nbformat.read(FILE, as_version=4)
CODE = [number for number, cell in enumerate(SHOWN.cells) if cell.cell_type == "code"]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook as it is after all of its cells were run, in its folder, by a kernel of this environment."""
    notebook = nbformat.read(FILE, as_version=4)
    variables = environment(tmp_path_factory.mktemp("notebook"))
    kept = {"IPYTHONDIR", "MPLCONFIGDIR"}
    with pytest.MonkeyPatch.context() as patch:
        for name in kept:
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        here = {"metadata": {"path": str(FILE.parent)}}
        client = nbclient.NotebookClient(notebook, timeout=400, coalesce_streams=True, resources=here)
        client.execute(env=variables | {name: os.environ[name] for name in kept})
    if os.environ.get("EXAMPLES") == "write":
        write(notebook)
    return notebook


def write(notebook: Any) -> None:
    """Keep the outputs, without the times at which cells were run and the Python that ran them."""
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, FILE)


def told(cell: Any) -> list[str]:
    """What a cell printed and what its last line was, line by line, with numbers as far as machines agree."""
    texts = [output.get("text") or output.data["text/plain"] for output in cell.outputs if not is_picture(output)]
    return "".join(text.rstrip() + "\n" for text in texts).splitlines()


def is_picture(output: Any) -> bool:
    return "image/png" in output.get("data", {})


@pytest.mark.parametrize("number", CODE)
def test_a_cell_says_what_is_shown(executed: Any, number: int) -> None:
    cell, shown = executed.cells[number], SHOWN.cells[number]
    assert told(cell) == told(shown)
    assert [output.output_type for output in cell.outputs] == [output.output_type for output in shown.outputs]


def test_its_pictures_are_pictures(executed: Any) -> None:
    for notebook in (executed, SHOWN):
        pictures = [output for cell in notebook.cells for output in cell.get("outputs", []) if is_picture(output)]
        assert len(pictures) == 1
        assert base64.b64decode(pictures[0].data["image/png"]).startswith(PNG)


def test_its_figures_are_those_of_the_readme() -> None:
    said = "\n".join(line for number in CODE for line in told(SHOWN.cells[number]))
    rows = re.findall(r"^\| ([\w -]+) \| [\d.]+ \| ([\d.]+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    names = {"ROC-AUC": "roc_auc", "PR-AUC": "pr_auc", "Brier score": "brier", "recall": "recall", "F1": "f1"}
    figures = dict(rows)
    for label, name in names.items():
        assert re.search(rf"^{name} +{figures[label]}$", said, re.MULTILINE), label


def test_it_carries_no_machines_path_and_links_lead_somewhere() -> None:
    assert str(Path.home()) not in FILE.read_text()
    assert str(ROOT) not in FILE.read_text()
    text = "\n".join(cell.source for cell in SHOWN.cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (FILE.parent / target).exists(), target

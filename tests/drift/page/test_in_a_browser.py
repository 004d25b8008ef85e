"""The page in a real browser: it fits a telephone, draws Evidently's report, and runs no other script."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from samples import batch, drawn, richer

from drift.comparison import Comparison
from drift.monitor import Monitor
from drift.report import report_page
from loan_default.model import LoanModel
from loan_default.training.data import Dataset

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

# The page in a frame as wide as a telephone; this script tells how wide its content is, and what Evidently drew.
FRAME = """<!doctype html><meta charset="utf-8"><iframe style="width:380px;height:900px" srcdoc="{page}"></iframe>
<p id="told"></p><script>
const page = document.querySelector("iframe");
setInterval(() => {{
  const inside = page.contentDocument, frame = inside.querySelector("iframe");
  const drawn = frame ? frame.contentDocument.body.innerText : "";
  const title = inside.title;
  told.innerText = `width ${{inside.documentElement.scrollWidth}} title ${{title}} drawn ${{drawn.slice(0, 200)}}`;
}}, 200);
</script>"""


@pytest.fixture
def comparison(monitor: Monitor, loan_model: LoanModel, dataset: Dataset) -> Comparison:
    for turn in range(4):
        monitor.take(batch(loan_model, richer(drawn(dataset.applicants, 500, turn))), 60.0 * turn)
        monitor.check(60.0 * turn + 1)
    return monitor.comparison()


def told(page: str, folder: Path) -> str:
    """What the browser tells of a page whose frame may be looked into."""
    page = page.replace(' sandbox="allow-scripts" loading="lazy"', "").replace("<details>", "<details open>")
    file = folder / "frame.html"
    file.write_text(FRAME.format(page=html.escape(page)))
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=10000"]
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *options, profile, "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    found = re.search(r'<p id="told">(.*?)</p>', done.stdout, re.DOTALL)
    assert found is not None
    return found[1]


def test_it_fits_a_telephone_and_shows_evidentlys_report(comparison: Comparison, tmp_path: Path) -> None:
    seen = told(report_page(comparison), tmp_path)
    assert "width 380 " in seen
    assert "Drift in column" in seen


def test_a_script_that_is_not_evidentlys_does_not_run(comparison: Comparison, tmp_path: Path) -> None:
    page = report_page(comparison).replace("</main>", "<script>document.title = 'mine'</script></main>")
    seen = told(page, tmp_path)
    assert "title Drift" in seen
    assert "Drift in column" in seen

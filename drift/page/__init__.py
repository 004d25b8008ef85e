"""A comparison as one page for people, which loads nothing: it is kept, sent on and opened without internet.

page.jinja   the words and their order; it escapes every name that comes from data
style.css    how it looks, on a wide screen, a telephone and paper
column       what is said of a feature or of the PD
bars, trend  where the lines of its two pictures are
policy       what the page may do, which is next to nothing
"""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from drift.comparison import Comparison
from drift.page.column import shown_columns
from drift.page.policy import policy
from loan_default.psi import FALSE_ALARMS

_FOLDER = Path(__file__).parent


def page(comparison: Comparison, evidently: str | None, why_not: str = "") -> str:
    """The page, HTML.

    Args:
        comparison: what it shows.
        evidently: Evidently's report of the same, HTML, which is put into a frame; None leaves it out.
        why_not: why it is left out, in a sentence.
    """
    return _template().render(
        comparison=comparison,
        verdict=comparison.verdict,
        columns=shown_columns(comparison),
        evidently=evidently,
        why_not=why_not,
        policy=policy(evidently or ""),
        style=(_FOLDER / "style.css").read_text(encoding="utf-8"),
        false_alarms=FALSE_ALARMS,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.jinja")

"""The verdict as a page for people."""

from html import escape

from loan_default.drift_link.messages import SAID, Verdict


def page(verdict: Verdict) -> str:
    """The page, HTML that loads nothing."""
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{one.psi:.3f}<td>{one.critical:.3f}<td>{'yes' if one.drifted else 'no'}"
        for name, one in verdict.columns.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Drift</title>'
        f"<h1>{SAID[verdict.status]}</h1><p>{verdict.window.samples} samples, PSI threshold {verdict.threshold:g}.</p>"
        f"<table><tr><th>feature<th>PSI<th>critical<th>drifted{rows}</table></html>"
    )

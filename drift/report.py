"""Draws a comparison for people: our page, and Evidently's report in it.

Evidently takes seconds until it is imported, and 300 MB from then on. The monitor must take samples meanwhile, and who
asks must not wait for long: so it works in a thread, and the first page may come without it and say so.
"""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

from loguru import logger

from drift.comparison import Comparison
from drift.page import page

# How long a page waits for Evidently; online calls are cut off after ten seconds.
PATIENCE_S = 5.0

_STILL_LOADING = "Evidently is still being loaded. Ask for this page again in a few seconds."
_NOT_INSTALLED = (
    "Evidently is not installed here: `pip install 'loan-default[drift]'` adds its report to this page, and so does a "
    "monitor of its own from the Bento `loan_default_drift` (DRIFT_URL)."
)
_FAILED = "Evidently's report could not be drawn; the log says why."
_NOTHING = "There is nothing to compare yet."


class Reports:
    """Draws the pages of one monitor. Use it from within the event loop."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        """`patience_s`: how long a page waits for Evidently."""
        self._patience_s = patience_s
        self._pool = ThreadPoolExecutor(1, "evidently")
        self._drawing: Future[tuple[str | None, str]] | None = None

    async def draw(self, comparison: Comparison) -> str:
        """The page, HTML. Evidently draws one report at a time: who asks meanwhile gets that one."""
        drawing = self._drawing
        if drawing is None or drawing.done():
            drawing = self._drawing = self._pool.submit(_evidently, comparison)
        try:
            html, why_not = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(drawing)), self._patience_s)
        except TimeoutError:
            html, why_not = None, _STILL_LOADING
        return await asyncio.to_thread(page, comparison, html, why_not)

    def close(self) -> None:
        """Wait for nothing that is being drawn."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def report_page(comparison: Comparison) -> str:
    """The same without an event loop, however long it takes."""
    return page(comparison, *_evidently(comparison))


def _evidently(comparison: Comparison) -> tuple[str | None, str]:
    """Evidently's report, HTML, or None and why there is none."""
    if not any(counts.sum() for counts in comparison.window.values()):
        return None, _NOTHING
    try:
        from drift.evidently_report import evidently_html
    except ImportError:
        return None, _NOT_INSTALLED
    try:
        threshold = comparison.verdict.threshold
        return evidently_html(comparison.window, comparison.reference, threshold, comparison.labels), ""
    except ImportError:
        return None, _NOT_INSTALLED
    except Exception:  # noqa: BLE001  # the rest of the page stands without it
        logger.exception("Unexpected error")
        return None, _FAILED

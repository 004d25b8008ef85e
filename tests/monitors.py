"""A drift monitor in the process of a test: the real one, without BentoML around it."""

from drift.monitor import Monitor
from loan_default.drift_link.messages import Batch, Introduction, Verdict


class Here:
    """Answers a monitor's calls."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor

    async def observe(self, batch: Batch) -> bool:
        """Take samples."""
        return self.monitor.take(batch, 0.0)

    async def introduce(self, model: Introduction) -> None:
        """Get to know a model."""
        self.monitor.introduce(model, 0.0)

    async def verdict(self) -> Verdict:
        """Whether the applicants have changed."""
        return self.monitor.verdict()

    async def report(self) -> str:
        """A page."""
        return "<!doctype html><p>A page.</p>"

    async def close(self) -> None:
        """Nothing to let go of."""

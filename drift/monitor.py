"""The drift monitor itself: whose samples are watched, when they are checked, what is answered.

Workers introduce a model before its samples are taken, so the monitor needs neither models nor their store. While a new
version is rolled out, samples of two come in: each has a watch of its own, and the verdict is about the one that
answered most since the last check. A job may use a model that was promoted before: its rows enter that model's window,
and the verdict turns to it only where nobody is answered online.
"""

import math
import shutil
from collections import Counter
from pathlib import Path

from loguru import logger

from drift.comparison import Comparison
from drift.folder import Folder
from drift.stored import Check
from drift.told import publish, tell
from drift.watch import Watch
from loan_default.drift_link.messages import Batch, Introduction, Verdict, WindowFacts
from loan_default.metrics import DRIFT_SAMPLES
from loan_default.psi import FALSE_ALARMS
from loan_default.settings import Settings

# A watch whose model has not answered for so long is over; the same model, promoted again, begins anew. Jobs do not
# change whom the verdict is about before the present model has not answered online for as long.
_FORGET_AFTER_S = 3600.0
# Models that are watched at once.
_MOST_WATCHES = 8


class Monitor:
    """Watches the samples of all online workers. Not for several threads."""

    def __init__(self, settings: Settings, now: float) -> None:
        """Go on where an earlier monitor stopped.

        Args:
            settings: of the drift monitor; the rest are not looked at.
            now: Unix time.
        """
        self._settings = settings
        self._folder = Folder(settings)
        self._watches: dict[str, Watch] = {}
        self._heard: dict[str, float] = {}
        self._since_check: Counter[str] = Counter()
        self._jobs_since_check: Counter[str] = Counter()
        for path in self._folder.watches():
            self._resume(path)
        self._heard = dict.fromkeys(self._watches, now)
        self._answered = dict(self._heard)
        self._current = max(self._watches, key=lambda tag: self._watches[tag].newest, default=None)
        publish(self._settings.model_stage, self.verdict(), now)

    @property
    def current(self) -> Watch | None:
        """The watch that the verdict is about; None before the first model."""
        return None if self._current is None else self._watches[self._current]

    def introduce(self, model: Introduction, at: float) -> None:
        """Get to know a model; one that is known already stays as it is.

        Raises:
            ValueError: the introduction contradicts itself.
        """
        if model.tag in self._watches:
            return
        while len(self._watches) >= _MOST_WATCHES:
            self._forget(min((tag for tag in self._watches if tag != self._current), key=self._heard.__getitem__))
        self._watches[model.tag] = Watch.begin(self._folder.of(model.tag), model, self._settings)
        self._heard[model.tag] = at
        logger.info("Drift: the applicants of {} are watched", model.tag)
        if self._current is None:
            self._current = model.tag

    def take(self, batch: Batch, at: float) -> bool:
        """Take samples; False when their model must be introduced first.

        Raises:
            ValueError: the batch is not what it says.
        """
        watch = self._watches.get(batch.tag)
        if watch is None:
            return False
        watch.take(batch, at)
        self._heard[batch.tag] = at
        if batch.online:
            self._answered[batch.tag] = at
            self._since_check[batch.tag] += batch.rows
        else:
            self._jobs_since_check[batch.tag] += batch.rows
        DRIFT_SAMPLES.labels(self._settings.model_stage).inc(batch.rows)
        return True

    def check(self, at: float) -> Check | None:
        """Compare the present window with its reference; None with too few samples. Call it at every interval.

        Args:
            at: now, Unix time.
        """
        self._choose(at)
        for tag in [tag for tag, heard in self._heard.items() if tag != self._current and at - heard > _FORGET_AFTER_S]:
            self._forget(tag)
        watch = self.current
        if watch is None:
            publish(self._settings.model_stage, self.verdict(), at)
            return None
        before = watch.verdict()
        check = watch.check(at)
        after = watch.verdict()
        publish(self._settings.model_stage, after, at)
        tell(before, after)
        for one in self._watches.values():
            try:
                one.save()
            except OSError as error:
                logger.error("Drift: the state cannot be kept ({}); a restart would begin earlier", error.strerror)
        return check

    def verdict(self) -> Verdict:
        """What is known."""
        if (watch := self.current) is not None:
            return watch.verdict()
        least = min(self._settings.drift_min_samples, self._settings.drift_window_size)
        return Verdict(
            status="waiting",
            drift_detected=False,
            since=None,
            model_version=None,
            model_tag=None,
            threshold=self._settings.drift_psi_threshold,
            false_alarms=FALSE_ALARMS,
            checked_at=None,
            reference=None,
            window=WindowFacts(size=self._settings.drift_window_size, samples=0, least=least, oldest=None, newest=None),
            columns={},
            trend=[],
        )

    def comparison(self) -> Comparison:
        """What a report shows: the verdict, and what is behind it."""
        return Comparison(self.verdict()) if self.current is None else self.current.comparison()

    def close(self) -> None:
        """Write what is not written yet, and leave the folder to others."""
        for watch in self._watches.values():
            watch.save()
        self._folder.close()

    def _resume(self, path: Path) -> None:
        """Go on with the watch of a folder, or see to it that nobody takes it for one."""
        try:
            watch = Watch.resume(path, self._settings)
        except (OSError, ValueError) as error:
            logger.warning("Drift: a window cannot be read ({}); it is set aside", type(error).__name__)
            self._folder.set_aside(path)
            return
        if watch is None:
            logger.info("Drift: another reference is asked for; the window begins anew")
            shutil.rmtree(path, ignore_errors=True)
        else:
            self._watches[watch.kept.tag] = watch

    def _choose(self, at: float) -> None:
        """Take for the present model the one that answered most since the last check, or that most was scored with."""
        found = self._since_check
        if not found and at - self._answered.get(self._current or "", -math.inf) > _FORGET_AFTER_S:
            found = self._jobs_since_check
        tag = max(found, key=found.__getitem__, default=self._current)
        self._since_check.clear()
        self._jobs_since_check.clear()
        if tag != self._current:
            logger.info("Drift: the verdict is about the applicants of {} from now on", tag)
            self._current = tag

    def _forget(self, tag: str) -> None:
        self._watches.pop(tag).remove()
        del self._heard[tag]
        self._answered.pop(tag, None)

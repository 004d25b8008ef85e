"""One model's samples under watch: the reference, the window of the latest samples, alarms and trend."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from drift.alarm import Alarm
from drift.comparison import Comparison, bin_labels
from drift.gathering import Gathering
from drift.ring import Ring
from drift.stored import Check, Kept, keep, read
from drift.window import counts, create_window, open_window
from loan_default.drift_link.messages import (
    Batch,
    ColumnDrift,
    Introduction,
    ReferenceFacts,
    Status,
    TrendPoint,
    Verdict,
    WindowFacts,
)
from loan_default.psi import FALSE_ALARMS, drift
from loan_default.reference import PD, Reference
from loan_default.settings import Settings

# Checks that are kept: a day of them at the default interval.
MOST_CHECKS = 1440
# Checks that a verdict tells: the last hour.
TREND = 60

_NO_REFERENCE = "The model carries no reference (an earlier version trained it), so its first live samples became one."


class Watch:
    """The watch of one model."""

    def __init__(self, folder: Path, kept: Kept, settings: Settings, window: Ring) -> None:
        """Use `begin` or `resume`."""
        self._folder = folder
        self._settings = settings
        self._window = window
        self._gathering: Gathering | None = None
        if kept.reference is None:
            self._gathering = Gathering(folder, len(kept.features), settings.drift_reference_size)
        self.kept = kept

    @classmethod
    def begin(cls, folder: Path, model: Introduction, settings: Settings) -> Self:
        """Watch a model anew; `folder` is its own, and is emptied.

        Raises:
            ValueError: the introduction contradicts itself.
        """
        features = dict(zip(model.features, model.nominal, strict=True))
        training = settings.drift_reference == "training" and model.reference is not None
        if model.reference is not None and list(model.reference.features) != model.features:
            raise ValueError("the reference describes other features")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        kept = Kept(
            tag=model.tag,
            version=model.version,
            features=features,
            words=model.words,
            kind="training" if training else "live",
            asked=_asked(settings),
            reference=model.reference if training else None,
        )
        window = create_window(folder, len(features) + 1, settings.drift_window_size)
        keep(folder, kept)
        return cls(folder, kept, settings, window)

    @classmethod
    def resume(cls, folder: Path, settings: Settings) -> Self | None:
        """Go on with a watch that was begun in `folder`; None when the settings ask for another reference since.

        Raises:
            OSError, ValueError: there is none, or it is not readable.
        """
        kept = read(folder)
        if kept.asked != _asked(settings):
            return None
        window = open_window(folder, len(kept.features) + 1, settings.drift_window_size)
        # A window of another size than before counts its samples anew.
        alarms = {
            name: alarm if (alarm.doubted or 0) <= window.taken else Alarm(since=alarm.since)
            for name, alarm in kept.alarms.items()
        }
        return cls(folder, kept.model_copy(update={"alarms": alarms}), settings, window)

    @property
    def newest(self) -> float:
        """When the newest sample was taken, Unix time; 0 without one."""
        between = self._window.between()
        return between[1] if between else 0.0

    @property
    def reference(self) -> Reference | None:
        """What the window is compared with; None while live samples are gathered."""
        return self.kept.reference

    def take(self, batch: Batch, at: float) -> None:
        """Take samples.

        Raises:
            ValueError: the batch is not what it says.
        """
        features, pd = batch.arrays(len(self.kept.features))
        if self._gathering is not None:
            used = self._gathering.add(features, pd, at)
            features, pd = features[used:], pd[used:]
            if not self._gathering.complete:
                return
            self._change(reference=self._gathering.reference(self.kept.features))
            keep(self._folder, self.kept)
            self._gathering.remove()
            self._gathering = None
        reference = self.kept.reference
        if reference is not None and len(pd):
            columns = zip([*reference.features.values(), reference.pd], [*features.T, pd], strict=True)
            codes = np.column_stack([bins.codes(values) for bins, values in columns])
            self._window.add(at, codes=codes)

    def check(self, at: float) -> Check | None:
        """Compare the window with the reference, and raise or clear alarms; None with too few samples.

        Args:
            at: now, Unix time.
        """
        samples = len(self._window)
        if self.kept.reference is None or samples < self._least:
            return None
        threshold = self._settings.drift_psi_threshold
        window, rows = self.compared()
        found = {name: drift(window[name], rows[name], threshold, tests=len(rows)) for name in rows}
        before, taken = self._drifted, self._window.taken
        alarms = {
            name: self.kept.alarms.get(name, Alarm()).after(one, threshold, samples, taken, at)
            for name, one in found.items()
        }
        self._change(alarms=alarms)
        check = Check(at=at, samples=samples, drift=found, drifted=tuple(self._drifted))
        changed = self.kept.since is None or bool(before) != bool(self._drifted)
        self._change(checks=(*self.kept.checks, check)[-MOST_CHECKS:], since=at if changed else self.kept.since)
        return check

    def compared(self) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
        """Rows in each bin, by feature and for the PD: of the window, of the reference; empty without a reference."""
        reference = self.kept.reference
        if reference is None:
            return {}, {}
        bins = {**reference.features, PD: reference.pd}
        counted = counts(self._window, [len(one.reference) for one in bins.values()])
        return dict(zip(bins, counted, strict=True)), {name: one.reference for name, one in bins.items()}

    def comparison(self) -> Comparison:
        """What a report shows."""
        window, reference = self.compared()
        return Comparison(
            verdict=self.verdict(),
            window=window,
            reference=reference,
            labels={} if self.kept.reference is None else bin_labels(self.kept.reference, self.kept.words),
            trend=[_point(check) for check in self.kept.checks],
        )

    def save(self) -> None:
        """Write everything that must outlive the process and is not written yet."""
        self._window.flush()
        keep(self._folder, self.kept)

    def remove(self) -> None:
        """End the watch, and remove its files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def verdict(self) -> Verdict:
        """What is known."""
        kept, between = self.kept, self._window.between()
        last = kept.checks[-1] if kept.checks else None
        return Verdict(
            status=self._status,
            drift_detected=bool(self._drifted),
            since=_when(kept.since),
            model_version=kept.version,
            model_tag=kept.tag,
            threshold=self._settings.drift_psi_threshold,
            false_alarms=FALSE_ALARMS,
            checked_at=_when(last.at if last else None),
            reference=self._reference_facts(),
            window=WindowFacts(
                size=self._window.size,
                samples=len(self._window),
                least=self._least,
                oldest=_when(between[0] if between else None),
                newest=_when(between[1] if between else None),
            ),
            columns={} if last is None else {name: self._column(last, name) for name in last.drift},
            trend=[_point(check) for check in kept.checks[-TREND:]],
        )

    @property
    def _least(self) -> int:
        """Samples from which on there is a verdict."""
        return min(self._settings.drift_min_samples, self._window.size)

    @property
    def _drifted(self) -> list[str]:
        return [name for name, alarm in self.kept.alarms.items() if alarm.since is not None]

    @property
    def _status(self) -> Status:
        if self._drifted:
            return "drift"
        return "quiet" if self.kept.checks else "gathering"

    def _column(self, check: Check, name: str) -> ColumnDrift:
        found, alarm = check.drift[name], self.kept.alarms.get(name, Alarm())
        return ColumnDrift(
            psi=found.psi,
            critical=found.critical,
            over=found.drifted,
            drifted=alarm.since is not None,
            since=_when(alarm.since),
        )

    def _reference_facts(self) -> ReferenceFacts:
        reference, kind = self.kept.reference, self.kept.kind
        return ReferenceFacts(
            kind=kind,
            rows=next(iter(reference.features.values())).rows if reference else 0,
            pd_rows=reference.pd.rows if reference else 0,
            note=_NO_REFERENCE if kind != self._settings.drift_reference else "",
        )

    def _change(self, **changes: object) -> None:
        self.kept = self.kept.model_copy(update=changes)


def _asked(settings: Settings) -> str:
    """The reference that the settings ask for."""
    live = f"live {settings.drift_reference_size}"
    return live if settings.drift_reference == "live" else "training"


def _when(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _point(check: Check) -> TrendPoint:
    return TrendPoint(
        at=datetime.fromtimestamp(check.at, UTC),
        samples=check.samples,
        psi={name: found.psi for name, found in check.drift.items()},
        critical={name: found.critical for name, found in check.drift.items()},
        drifted=list(check.drifted),
    )

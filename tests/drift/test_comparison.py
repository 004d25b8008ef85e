"""What a report is made of."""

from pathlib import Path

from samples import batch, introduction

from drift.monitor import Monitor
from loan_default.model import LoanModel
from loan_default.reference import PD
from loan_default.settings import Settings
from loan_default.training.data import Dataset


def test_every_bin_has_a_name_and_categories_are_called_by_their_words(
    settings: Settings, credit_model: LoanModel, credit_dataset: Dataset
) -> None:
    monitor = Monitor(settings, 0.0)
    monitor.introduce(introduction(credit_model), 0.0)
    monitor.take(batch(credit_model, credit_dataset.applicants[:1_000]), 1.0)
    monitor.check(2.0)
    found = monitor.comparison()
    assert list(found.labels) == [*credit_model.schema.feature_names, PD]
    for name, labels in found.labels.items():
        assert len(labels) == len(found.window[name]) == len(found.reference[name])
        assert found.window[name].sum() == 1_000
    for name, words in credit_model.schema.words.items():
        assert set(found.labels[name]) & set(words), name
    monitor.close()


def test_words_outlive_a_restart_and_the_trend_is_longer_than_the_verdicts(
    settings: Settings, credit_model: LoanModel, credit_dataset: Dataset
) -> None:
    monitor = Monitor(settings, 0.0)
    monitor.introduce(introduction(credit_model), 0.0)
    monitor.take(batch(credit_model, credit_dataset.applicants[:1_000]), 1.0)
    for minute in range(100):
        monitor.check(60.0 * minute)
    before = monitor.comparison()
    monitor.close()
    again = Monitor(settings, 7_000.0)
    after = again.comparison()
    assert after.labels == before.labels
    assert len(after.trend) == 100 > len(after.verdict.trend)
    assert Path(settings.drift).is_dir()
    again.close()

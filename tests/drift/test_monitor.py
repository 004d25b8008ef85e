"""The drift monitor: what it watches, what it says, what it keeps."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from samples import TAG, batch, drawn, introduction, richer

from drift.monitor import Monitor
from loan_default.drift_link.messages import Batch
from loan_default.model import LoanModel
from loan_default.reference import PD
from loan_default.settings import Settings
from loan_default.training.data import Dataset

OTHER = "loan_default:8-89abcdef"


def test_without_a_model_it_waits(settings: Settings) -> None:
    verdict = Monitor(settings, 0.0).verdict()
    assert (verdict.status, verdict.model_version, verdict.window.samples) == ("waiting", None, 0)


def test_samples_of_an_unknown_model_are_not_taken(settings: Settings, loan_model: LoanModel, dataset: Dataset) -> None:
    assert not Monitor(settings, 0.0).take(batch(loan_model, dataset.applicants[:10]), 1.0)


def test_with_too_few_samples_there_is_no_verdict(monitor: Monitor, loan_model: LoanModel, dataset: Dataset) -> None:
    assert monitor.take(batch(loan_model, richer(dataset.applicants[:199])), 1.0)
    assert monitor.check(2.0) is None
    assert monitor.verdict().status == "gathering"
    monitor.take(batch(loan_model, richer(dataset.applicants[199:200])), 3.0)
    assert monitor.check(4.0) is not None


def test_applicants_as_in_training_are_quiet(monitor: Monitor, loan_model: LoanModel, dataset: Dataset) -> None:
    monitor.take(batch(loan_model, drawn(dataset.applicants, 1_000, seed=1)), 1.0)
    monitor.check(2.0)
    verdict = monitor.verdict()
    assert (verdict.status, verdict.drift_detected) == ("quiet", False)
    assert list(verdict.columns) == [*loan_model.schema.feature_names, PD]
    assert all(0 < column.psi < column.critical < 0.15 for column in verdict.columns.values())


def test_other_applicants_raise_the_alarm_of_what_changed_and_the_old_ones_clear_it(
    monitor: Monitor, loan_model: LoanModel, dataset: Dataset
) -> None:
    found = []
    for turn in range(30):
        rows = drawn(dataset.applicants, 250, seed=turn)
        monitor.take(batch(loan_model, richer(rows) if 10 <= turn < 20 else rows), float(turn))
        monitor.check(turn + 0.5)
        found.append(monitor.verdict())
    statuses = [verdict.status for verdict in found]
    assert statuses[:10] == ["quiet"] * 10
    assert statuses[14:20] == ["drift"] * 6
    assert statuses[25:] == ["quiet"] * 5
    changes = sum(before != after for before, after in pairwise(statuses))
    assert changes == 2
    worst = found[19]
    assert {name for name, column in worst.columns.items() if column.drifted} >= {"bank_balance", PD}
    assert not worst.columns["employed"].drifted
    assert worst.since == worst.columns["bank_balance"].since or worst.since == worst.columns[PD].since
    assert len(worst.trend) == 20
    assert worst.trend[-1].psi["bank_balance"] == worst.columns["bank_balance"].psi


def test_a_new_version_starts_a_window_of_its_own(monitor: Monitor, loan_model: LoanModel, dataset: Dataset) -> None:
    monitor.take(batch(loan_model, richer(dataset.applicants[:1_000])), 1.0)
    monitor.check(2.0)
    assert monitor.verdict().status == "drift"
    monitor.introduce(introduction(loan_model, OTHER), 3.0)
    monitor.take(batch(loan_model, dataset.applicants[:300], OTHER), 3.0)
    monitor.check(4.0)
    verdict = monitor.verdict()
    assert (verdict.model_tag, verdict.model_version, verdict.status) == (OTHER, "8", "quiet")
    assert verdict.window.samples == 300


def test_while_two_versions_answer_the_verdict_is_about_the_one_that_answers_most(
    monitor: Monitor, loan_model: LoanModel, dataset: Dataset
) -> None:
    monitor.introduce(introduction(loan_model, OTHER), 1.0)
    for tag, rows in ((TAG, 300), (OTHER, 200)):
        monitor.take(batch(loan_model, dataset.applicants[:rows], tag), 2.0)
    monitor.check(3.0)
    assert monitor.verdict().model_tag == TAG
    for tag, rows in ((TAG, 20), (OTHER, 200)):
        monitor.take(batch(loan_model, dataset.applicants[:rows], tag), 4.0)
    monitor.check(5.0)
    assert (monitor.verdict().model_tag, monitor.verdict().window.samples) == (OTHER, 400)


def test_a_job_with_an_earlier_version_enters_its_window_and_leaves_the_verdict_alone(
    monitor: Monitor, loan_model: LoanModel, dataset: Dataset
) -> None:
    monitor.take(batch(loan_model, dataset.applicants[:300]), 1.0)
    monitor.introduce(introduction(loan_model, OTHER), 2.0)
    for at in (2.0, 3_500.0):
        monitor.take(batch(loan_model, richer(dataset.applicants[:1_000]), OTHER, online=False), at)
        monitor.check(at + 1)
        assert (monitor.verdict().model_tag, monitor.verdict().status) == (TAG, "quiet")
    monitor.take(batch(loan_model, richer(dataset.applicants[:1_000]), OTHER, online=False), 3_602.0)
    monitor.check(3_603.0)  # nobody was answered for an hour
    assert (monitor.verdict().model_tag, monitor.verdict().status) == (OTHER, "drift")
    monitor.introduce(introduction(loan_model), 3_604.0)
    monitor.take(batch(loan_model, dataset.applicants[:1]), 3_604.0)
    monitor.check(3_605.0)
    assert monitor.verdict().model_tag == TAG


def test_a_lender_who_only_has_jobs_is_told_of_their_applicants(
    monitor: Monitor, loan_model: LoanModel, dataset: Dataset
) -> None:
    monitor.take(batch(loan_model, dataset.applicants[:1_000], online=False), 1.0)
    monitor.check(2.0)
    assert (monitor.verdict().model_tag, monitor.verdict().status) == (TAG, "quiet")
    monitor.introduce(introduction(loan_model, OTHER), 3.0)
    monitor.take(batch(loan_model, richer(dataset.applicants[:1_000]), OTHER, online=False), 3.0)
    monitor.check(4.0)
    assert (monitor.verdict().model_tag, monitor.verdict().status) == (OTHER, "drift")


def test_a_version_that_is_silent_for_an_hour_is_forgotten(
    monitor: Monitor, settings: Settings, loan_model: LoanModel, dataset: Dataset
) -> None:
    monitor.introduce(introduction(loan_model, OTHER), 1.0)
    monitor.take(batch(loan_model, dataset.applicants[:300], OTHER), 2.0)
    monitor.check(3.0)
    monitor.check(3_602.0)
    assert not monitor.take(batch(loan_model, dataset.applicants[:10]), 3_603.0)
    assert [path.name for path in (settings.drift / "windows").iterdir()] == [OTHER.replace(":", "_")]


def test_models_without_end_do_not_fill_memory(monitor: Monitor, settings: Settings, loan_model: LoanModel) -> None:
    for number in range(20):
        monitor.introduce(introduction(loan_model, f"loan_default:{number}-0"), float(number))
    assert len(list((settings.drift / "windows").iterdir())) <= 8
    assert monitor.verdict().model_tag == TAG


@pytest.mark.parametrize("with_reference", [True, False])
def test_the_first_live_samples_are_the_reference_where_asked_for_or_there_is_no_other(
    settings: Settings, loan_model: LoanModel, dataset: Dataset, with_reference: bool
) -> None:
    asked = settings.model_copy(update={"drift_reference": "live" if with_reference else "training"})
    monitor = Monitor(asked, 0.0)
    monitor.introduce(introduction(loan_model, with_reference=with_reference), 0.0)
    applicants = richer(dataset.applicants)  # other than in training, and that is the norm here
    monitor.take(batch(loan_model, drawn(applicants, 700, 1)), 1.0)
    assert list(settings.drift.rglob("gathering.npy"))
    assert settings.drift.stat().st_mode & 0o077 == 0  # for its owner alone
    monitor.check(2.0)
    assert monitor.verdict().status == "gathering"
    monitor.take(batch(loan_model, drawn(applicants, 700, 2)), 3.0)
    monitor.check(4.0)
    verdict = monitor.verdict()
    assert verdict.reference is not None
    assert (verdict.status, verdict.window.samples) == ("quiet", 400)
    assert (verdict.reference.kind, verdict.reference.rows, verdict.reference.pd_rows) == ("live", 1_000, 1_000)
    assert bool(verdict.reference.note) is not with_reference
    monitor.take(batch(loan_model, dataset.applicants[:1_000]), 5.0)
    monitor.check(6.0)
    assert monitor.verdict().status == "drift"
    assert not list(settings.drift.rglob("gathering*"))  # applicants' values go when there are bins


def test_live_samples_that_are_gathered_survive_an_end_at_any_moment(
    settings: Settings, loan_model: LoanModel, dataset: Dataset
) -> None:
    live = settings.model_copy(update={"drift_reference": "live"})
    monitor = Monitor(live, 0.0)
    monitor.introduce(introduction(loan_model), 0.0)
    monitor.take(batch(loan_model, dataset.applicants[:600]), 1.0)
    del monitor
    again = Monitor(live, 2.0)
    again.take(batch(loan_model, dataset.applicants[600:1_300]), 3.0)
    assert again.verdict().window.samples == 300


def test_everything_is_there_after_an_end_without_notice(
    settings: Settings, loan_model: LoanModel, dataset: Dataset
) -> None:
    monitor = Monitor(settings, 0.0)
    monitor.introduce(introduction(loan_model), 0.0)
    monitor.take(batch(loan_model, richer(dataset.applicants[:900])), 1.0)
    monitor.check(2.0)
    monitor.take(batch(loan_model, dataset.applicants[:50]), 3.0)  # and no check after it
    before = monitor.verdict()
    del monitor  # no `close`
    assert Monitor(settings, 4.0).verdict() == before
    assert before.status == "drift"
    assert before.window.samples == 950


def test_another_kind_of_reference_begins_anew(settings: Settings, loan_model: LoanModel, dataset: Dataset) -> None:
    first = Monitor(settings, 0.0)
    first.introduce(introduction(loan_model), 0.0)
    first.take(batch(loan_model, dataset.applicants[:500]), 1.0)
    first.close()
    again = Monitor(settings.model_copy(update={"drift_reference": "live"}), 2.0)
    assert again.verdict().status == "waiting"


@pytest.mark.parametrize("name", ["watch.json", "window.npy"])
@pytest.mark.parametrize("content", [b"", b'{"format": 2}', b"\x93NUMPY nonsense"])
def test_a_window_that_cannot_be_read_is_set_aside_and_said(  # noqa: PLR0913, PLR0917  # fixtures
    settings: Settings, loan_model: LoanModel, dataset: Dataset, logged: list[str], name: str, content: bytes
) -> None:
    first = Monitor(settings, 0.0)
    first.introduce(introduction(loan_model), 0.0)
    first.close()
    [file] = settings.drift.rglob(name)
    file.write_bytes(content)
    again = Monitor(settings, 1.0)
    assert (settings.drift / "set-aside" / name).read_bytes() == content
    assert any(line.startswith("WARNING") and "set aside" in line for line in logged)
    again.introduce(introduction(loan_model), 2.0)
    assert again.take(batch(loan_model, dataset.applicants[:10]), 3.0)


def test_a_second_monitor_on_the_same_folder_keeps_its_hands_off(
    monitor: Monitor, settings: Settings, loan_model: LoanModel, dataset: Dataset, logged: list[str]
) -> None:
    second = Monitor(settings, 0.0)
    second.introduce(introduction(loan_model), 0.0)
    second.take(batch(loan_model, dataset.applicants[:300]), 1.0)
    assert second.verdict().window.samples == 300
    assert monitor.verdict().window.samples == 0
    assert any("another monitor has it" in line for line in logged)
    second.close()


def test_the_change_of_a_verdict_is_logged_once(
    monitor: Monitor, loan_model: LoanModel, dataset: Dataset, logged: list[str]
) -> None:
    monitor.take(batch(loan_model, richer(dataset.applicants[:1_000])), 1.0)
    for turn in range(5):
        monitor.check(2.0 + turn)
    assert sum("differ from the reference in PD, bank_balance" in line for line in logged) == 1
    monitor.take(batch(loan_model, drawn(dataset.applicants, 1_000, 3)), 8.0)
    monitor.check(9.0)
    monitor.take(batch(loan_model, drawn(dataset.applicants, 1_000, 4)), 10.0)
    monitor.check(11.0)
    assert sum("as in the reference again" in line for line in logged) == 1


def test_a_batch_that_is_not_what_it_says_is_refused_and_leaves_nothing(
    monitor: Monitor, loan_model: LoanModel, dataset: Dataset
) -> None:
    good = batch(loan_model, dataset.applicants[:10])
    for change in ({"rows": 9}, {"features": "!"}, {"pd": good.pd[:-4]}, {"features": good.features + "AAAA"}):
        with pytest.raises(ValueError, match="a batch"):
            monitor.take(good.model_copy(update=change), 1.0)
    assert monitor.verdict().window.samples == 0


def test_an_introduction_that_contradicts_itself_is_refused(settings: Settings, loan_model: LoanModel) -> None:
    monitor = Monitor(settings, 0.0)
    said = introduction(loan_model)
    for change in ({"features": said.features[::-1]}, {"nominal": said.nominal[:-1]}):
        with pytest.raises(ValueError, match=r"."):
            monitor.introduce(said.model_copy(update=change), 0.0)
    assert monitor.verdict().status == "waiting"


def test_missing_and_unseen_values_are_bins_too(monitor: Monitor, loan_model: LoanModel, dataset: Dataset) -> None:
    rows = drawn(dataset.applicants, 1_000, 7)
    features = loan_model.features.matrix(rows)
    features[:100, 2] = np.nan
    features[:, 0] = np.where(np.arange(1_000) < 100, 7.0, features[:, 0])
    monitor.take(Batch.of(features, loan_model.pd(rows), tag=TAG), 1.0)
    monitor.check(2.0)
    columns = monitor.verdict().columns
    assert columns["employed"].drifted
    assert columns["annual_salary"].drifted


def test_no_value_of_an_applicant_is_kept_with_a_window(
    monitor: Monitor, settings: Settings, loan_model: LoanModel
) -> None:
    [lonely] = loan_model.features.matrix(np.array([[1.0, 12_345.67, 543_210.98]]))
    monitor.take(Batch.of(np.array([lonely]), np.array([0.123456789]), tag=TAG), 1.0)
    monitor.check(2.0)
    monitor.close()
    kept = b"".join(path.read_bytes() for path in Path(settings.drift).rglob("*") if path.is_file())
    for value in lonely[1:]:
        assert value.tobytes() not in kept
    assert np.float64(0.123456789).tobytes() not in kept

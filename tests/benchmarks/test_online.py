"""The pure parts of benchmarks/online: what wrk and /proc say, when memory is flat, what the tables show."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.environments import RivalFailed
from benchmarks.online import measure, overload, processes, scaling, soak, table, wrk
from benchmarks.online.measure import Round, Spread, spreads
from benchmarks.online.running import running
from benchmarks.online.servers import SERVERS, Place, Server, limit, ours, stock_bentoml
from benchmarks.online.subject import Subject
from benchmarks.online.wrk import Load
from benchmarks.rivals.model_files import read
from loan_default.model import LoanModel
from loan_default.schema.applicant import Encoder
from loan_default.training.data import Dataset

LOAD = Load(
    requests=1000,
    duration_us=2_000_000,
    p50_us=1500,
    p99_us=9000,
    max_us=20000,
    connect=0,
    read=1,
    write=0,
    timeout=2,
    refused_or_failed=40,
    statuses={"200": 960, "429": 30, "503": 9, "500": 1},
    refusals=39,
    with_retry_after=38,
)
ROUND = Round(100.0, 5000.0, 2.0, 8.0, 20.0, 0.5, 3.0, 200.0, 210.0, 0)

# pid (comm) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime prio nice
# threads itrealvalue starttime vsize rss …
STAT = "42 (a b) c) S 7 42 40 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 5 0 99 1000000 25 18446744073709551615 1 1"


@pytest.fixture
def subject(loan_model: LoanModel, dataset: Dataset, tmp_path: Path) -> Subject:
    loan_model.save(tmp_path / "model")
    rows = dataset.applicants[:30]
    shown, names = Encoder(loan_model.schema).shown, loan_model.schema.column_names
    features = loan_model.features.values(rows).tolist()
    applicants = [{name: shown(row)[name] for name in names} for row in features]
    return Subject(tmp_path / "state", tmp_path / "model", applicants, loan_model.pd(rows).tolist())


def test_what_wrk_prints_is_read_past_its_own_report() -> None:
    line = json.dumps(LOAD.model_dump(exclude={"generator_cpu_s"}))
    assert Load.parse(f"Running 5s test @ http://127.0.0.1\n  1 threads\nLOAD {line}\n") == LOAD


def test_no_result_from_wrk_is_an_error_that_quotes_it() -> None:
    with pytest.raises(RivalFailed, match="unable to connect"):
        Load.parse("unable to connect to 127.0.0.1")


def test_every_answer_but_a_plain_one_is_an_error() -> None:
    assert LOAD.errors == 43
    assert LOAD.per_second == 500


def test_without_wrk_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RivalFailed, match="apt-get install wrk"):
        wrk.require_wrk()


def test_a_line_of_stat_is_read_whatever_the_command_is_called() -> None:
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    assert processes.parse_stat(STAT) == processes.Stat(42, 7, 40, 250 / ticks, 25 * page)


def test_a_family_is_the_session_and_all_descendants() -> None:
    def stat(pid: int, parent: int, session: int) -> processes.Stat:
        return processes.Stat(pid, parent, session, 0.0, 0)

    stats = [stat(1, 0, 1), stat(10, 1, 10), stat(11, 10, 10), stat(12, 11, 12), stat(13, 1, 10), stat(20, 1, 20)]
    assert [member.pid for member in processes.family(10, stats)] == [10, 11, 12, 13]


def test_the_cpu_of_a_real_child_process_is_counted() -> None:
    # The kernel counts in ticks of 10 ms and forgets what is left of one: burn more than is asked for below.
    burn = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    used = processes.usage(child.pid)
    child.communicate(b"\n")
    assert len(used.cpu_s) == 2
    assert sum(used.cpu_s.values()) >= 0.1
    assert used.rss_bytes > 1e6


def test_memory_that_grows_to_the_end_is_not_flat() -> None:
    assert soak.flat([300, 350, 360, *[361] * 27]) is True
    assert soak.flat([300 + i for i in range(60)]) is False
    assert soak.flat([300] * 5) is None


def test_a_soak_is_shown_with_its_rule() -> None:
    shown = "\n".join(soak.lines([soak.Soaked("ours", (300.0, *[350.0] * 8), LOAD)]))
    assert "| ours | 0.0 | 1,000 | 43 | 9.0 / 20.0 | 300.0; 350.0, 350.0, 350.0; 350.0 | yes |" in shown
    assert soak.RULE in shown


def test_a_supervisor_has_no_share_of_the_work() -> None:
    assert scaling.shares([0.001, 3.0, 1.0]) == pytest.approx((0.75, 0.25), abs=0.001)
    assert scaling.shares([0.0, 0.0]) == ()


def test_several_workers_are_shown_over_one() -> None:
    one = scaling.Scaled(1000, 200, (1.0,), 0.1, 0)
    two = scaling.Scaled(1800, 210, (0.6, 0.4), 0.2, 0)
    assert list(scaling.lines({1: [one], 2: [two]}))[-1] == (
        "| 2 | 1,800 (1,800–1,800) | 1.80 | 210 | 60% + 40% | 0.20 |"
    )


def test_a_flood_is_shown_with_what_was_refused_and_how() -> None:
    probes = (
        overload.Probe(200, 0.5, retry_after=False),
        overload.Probe(503, 0.002, retry_after=True),
        overload.Probe(0, 30.0, retry_after=False),
    )
    lines = list(overload.lines([overload.Overloaded("ours", 2000, (LOAD, LOAD, LOAD), probes, None)]))
    assert lines[3] == "| ours | 2,000 | 500 | 960 | 30 | 9 | 1 | 3 | 38 of 39 | 1.5 / 9.0 / 20.0 |"
    assert lines[-1] == "| ours | 3 | 1: 500.0 / 500.0 | 1 (1 with Retry-After): 2.0 / 2.0 | 1 | never |"


def test_the_middle_of_the_rounds_is_shown_with_their_range() -> None:
    rounds = [dataclasses.replace(ROUND, cpu_us=cpu, errors=n) for cpu, n in ((90.0, 0), (100.0, 0), (300.0, 7))]
    middle = spreads(rounds)
    assert middle["cpu_us"] == Spread(100.0, 90.0, 300.0)
    assert table.cells(middle, {})[0] == "100 (90–300)"
    assert table.cells(middle, {})[-1] == "7"


def test_the_table_is_sorted_and_has_ratios_and_says_who_is_missing() -> None:
    def of(cpu_us: float) -> dict[str, Spread]:
        return spreads([dataclasses.replace(ROUND, cpu_us=cpu_us)])

    measured = {"ours": ("Ours", of(150)), "limit": ("Limit", of(60)), "slow": ("Slow", of(3000))}
    lines = list(table.lines(measured, {"gone": "could not\nbe installed"}))
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| Limit", "| Ours", "| Slow", "| gone"]
    assert lines[3].split(" | ")[2:4] == ["2.5", "1.0"]
    assert lines[4].split(" | ")[2:4] == ["50.0", "20.0"]
    assert "could not be installed" in lines[5]
    assert {line.count("|") for line in lines} == {len(table.HEADINGS) + 1}


def test_a_ratio_to_a_server_that_was_not_measured_is_a_dash() -> None:
    assert table.ratio(100, {}, "limit") == "–"


def test_bodies_hold_each_applicant_once_and_no_list_is_short(subject: Subject) -> None:
    bodies = [json.loads(body) for body in stock_bentoml(Place(subject, None)).bodies(subject.applicants, 7)]
    assert [len(body["applicants"]) for body in bodies] == [7, 7, 7, 7]
    assert [row for body in bodies for row in body["applicants"]] == list(subject.applicants[:28])


def test_a_rival_is_left_out_without_an_environment(subject: Subject) -> None:
    place = Place(subject, None)
    for name in ("fastapi", "mlserver", "litserve"):
        with pytest.raises(RivalFailed, match="--offline"):
            SERVERS[name](place)


def test_the_rate_limit_is_on_and_out_of_reach(subject: Subject) -> None:
    variables = ours(Place(subject, None)).variables
    assert int(variables["RATE_LIMIT_PER_MINUTE"]) > 60 * 1_000_000
    assert variables["DECISION_LOG"] == "best-effort"


def test_the_model_files_that_rivals_read_give_the_models_own_answers(subject: Subject) -> None:
    rows = np.array([list(applicant.values()) for applicant in subject.applicants], dtype=np.float64)
    np.testing.assert_allclose(read(subject.folder).pds(rows), subject.pds, rtol=0, atol=1e-9)


def test_the_bare_limit_answers_as_the_model_and_leaves_no_process(subject: Subject) -> None:
    server = limit(Place(subject, None))
    with running(server) as up:
        measure.check(up, subject)
        assert up.ask('{"unknown": 1}')[0] == 422
        family = processes.members(up.leader)
    assert family
    assert not [pid for pid in family if Path(f"/proc/{pid}").exists()]


def test_nobody_is_fast_by_being_wrong(subject: Subject) -> None:
    wrong = dataclasses.replace(subject, pds=[pd + 1e-5 for pd in subject.pds])
    with running(limit(Place(subject, None))) as up, pytest.raises(RivalFailed, match="where the model says"):
        measure.check(up, wrong)


def test_a_server_that_does_not_start_is_quoted(subject: Subject) -> None:
    broken: Server = dataclasses.replace(
        limit(Place(subject, None)), command=[sys.executable, "-c", "raise SystemExit('no such port')"]
    )
    with pytest.raises(RivalFailed, match="no such port"), running(broken):
        pass

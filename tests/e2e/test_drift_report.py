"""The drift report of a real server: a page for people, with Evidently's report in it."""

import time
from pathlib import Path

import pytest
from installation import ROOT, Installation, serving

from loan_default.schema import Schema
from loan_default.training.data import Dataset

pytestmark = pytest.mark.e2e

SERVE = ["bentoml", "serve", "service:LoanDefault"]
SAMPLED = {"DRIFT_SAMPLING_RATE": "1", "DRIFT_CHECK_INTERVAL_S": "0.5"}


def test_the_report_comes_with_evidentlys_or_says_that_it_is_still_loading(
    installation: Installation, tmp_path: Path, dataset: Dataset, schema: Schema
) -> None:
    copied = installation.copy(tmp_path / "state")
    rows = [dict(zip(schema.column_names, map(float, row), strict=True)) for row in dataset.applicants[:500]]
    applicants = [{**row, "employed": int(row["employed"])} for row in rows]
    environment = {**copied.environment, **SAMPLED}
    with serving(SERVE, environment, ROOT, tmp_path / "log") as server, server.client() as client:
        assert "No prediction was sampled yet" in client.get("/api/v1/drift/report").text
        assert client.post("/predict", json={"applications": applicants}).status_code == 200
        end = time.monotonic() + 60
        while True:
            answer = client.get("/api/v1/drift/report")
            assert answer.status_code == 200
            if "Drift in column" in answer.text:
                break
            assert "Ask for this page again" in answer.text or "At a glance" not in answer.text
            assert time.monotonic() < end
            time.sleep(0.5)
        assert "At a glance" in answer.text
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "unsafe-eval" not in answer.headers["content-security-policy"]
        # It was a while under way; samples were taken all the same.
        assert client.post("/predict", json={"applications": applicants}).status_code == 200
        assert server.metrics()['loan_drift_samples_total{stage="production"}'] >= 500

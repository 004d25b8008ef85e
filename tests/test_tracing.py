"""Traces: nothing of them where nobody asked for any, and where they go where somebody did."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from collector import collecting
from installation import ROOT

from loan_default.api.layers import around
from loan_default.api.observe import Observe
from loan_default.api.online import Online
from loan_default.api.records import record_all
from loan_default.api.scorer import Scorer
from loan_default.api.traced import Traced, TracedScorer
from loan_default.errors import SettingsError
from loan_default.jobs.traced import traced
from loan_default.settings import Settings, read_settings
from loan_default.tracing import open_tracing


@pytest.fixture
def tracing_settings(settings: Settings) -> Iterator[Settings]:
    with collecting() as collector:
        yield settings.model_copy(update={"otel_exporter_otlp_endpoint": collector.url})


async def nobody(*_: object) -> None:
    pass


@pytest.mark.usefixtures("promoted")
def test_off_the_way_of_a_request_has_no_step_more(settings: Settings) -> None:
    online = Online(settings, ROOT)
    online.load()
    assert online.tracing is None
    assert type(around(online)(nobody)) is Observe
    assert type(online.require_loaded().scorer) is Scorer
    assert online.record is record_all


@pytest.mark.usefixtures("promoted")
def test_on_each_step_has_its_span(tracing_settings: Settings) -> None:
    online = Online(tracing_settings, ROOT)
    online.load()
    assert type(around(online)(nobody)) is Traced
    assert type(online.require_loaded().scorer) is TracedScorer
    assert online.record is not record_all
    assert online.tracing is not None
    online.tracing.close()


def test_off_a_job_tells_its_progress_as_it_does() -> None:
    def told(_: object) -> None:
        pass

    with traced(None, None, told) as handed_on:  # type: ignore[arg-type]  # it looks at no job
        assert handed_on is told


def test_off_nothing_of_opentelemetry_is_imported() -> None:
    code = """
import sys
import loan_default.api.layers, loan_default.jobs.worker, loan_default.logs
from loan_default.settings import Settings
from loan_default.tracing import open_tracing
assert open_tracing(Settings(_env_file=None), "api") is None
loan_default.logs.configure_logging(Settings(_env_file=None))
loan_default.logs.logger.info("a line")
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_outside_of_any_span_nothing_is_handed_on(tracing_settings: Settings) -> None:
    tracing = open_tracing(tracing_settings, "worker")
    assert tracing is not None
    assert tracing.traceparent() is None
    with tracing.tracer.start_as_current_span("one"):
        assert str(tracing.traceparent()).startswith("00-")
    tracing.close()


def test_an_endpoint_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT: Value error, must be http://HOST:PORT"):
        read_settings()

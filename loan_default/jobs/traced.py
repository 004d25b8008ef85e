"""Spans of a job, for where there is tracing: one for each run of it, in the trace of the call that handed it in."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loan_default.bulk.progress import Progress
from loan_default.jobs.job import Job

if TYPE_CHECKING:
    from loan_default.tracing import Tracing

Told = Callable[[Progress], None]


@contextmanager
def traced(tracing: "Tracing | None", job: Job, told: Told) -> Iterator[Told]:
    """Yields what is told the progress: `told`, which gets a span for each chunk where there is tracing."""
    if tracing is None:
        yield told
        return
    from opentelemetry.trace import SpanKind, StatusCode

    from loan_default.bulk.run import Stopped

    tracer = tracing.tracer
    facts: dict[str, str | int] = {
        "loan.job_id": job.job_id,
        "loan.rows": job.inspected.order.rows,
        "loan.model_version": job.model_version,
    }
    context = tracing.context_of({} if job.traceparent is None else {"traceparent": job.traceparent})
    with tracer.start_as_current_span(
        "score portfolio",
        context=context,
        kind=SpanKind.CONSUMER,
        attributes=facts,
        record_exception=False,  # its text may hold an applicant's values
        set_status_on_exception=False,
    ) as span:
        since, rows = time.time_ns(), 0

        def told_and_traced(progress: Progress) -> None:
            nonlocal since, rows
            now = time.time_ns()
            done: dict[str, str | int] = {"loan.rows": progress.rows_done - rows, "loan.stage": progress.stage}
            tracer.start_span("chunk", start_time=since, attributes=done).end(now)
            since, rows = now, progress.rows_done
            told(progress)

        try:
            yield told_and_traced
        except Stopped:
            span.set_attribute("loan.stopped", True)  # it is put back into the queue, or was cancelled
            raise
        except Exception as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise

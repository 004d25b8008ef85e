"""Our layers around BentoML's application, from the outside in.

Observe, ask for a key, answer the REST face, the documentation, BentoML's face; refuse what nobody answers, and hand
the few calls that are left to BentoML.
"""

from collections.abc import Callable

from starlette.types import ASGIApp

from loan_default.api.bulk.intake import Intake
from loan_default.api.bulk.rest import BatchFace
from loan_default.api.bulk.routes import template_of
from loan_default.api.bulk.tasks import TaskFace
from loan_default.api.docs_page import DOCS_PATHS, OPEN_DOCS_PATHS, Documentation
from loan_default.api.envelope import render_error
from loan_default.api.native import MAX_LIST, NativeFace
from loan_default.api.native_calls import NATIVE_CALLS, NativeCalls
from loan_default.api.observe import Observe
from loan_default.api.online import Online
from loan_default.api.openapi import Described
from loan_default.api.rest import REST_PATHS, RestFace
from loan_default.api.traced import Traced
from loan_default.security import OPEN_PATHS, KeyRequired
from loan_default.security.caller import KeyScope

# What a path needs; None: any key will do. `scope_of` says it of the others.
SCOPES_OF_PATHS: dict[str, KeyScope | None] = {
    "/api/v1/predict": "score",
    "/predict": "score",
    "/api/v1/model/reload": "operate",
    "/api/v1/model/info": None,
    "/api/v1/drift": "operate",
    "/api/v1/drift/report": "operate",
    "/docs.json": None,
    "/openapi.json": None,
    "/schema.json": None,
}


def scope_of(path: str) -> KeyScope | None:
    """What a path needs that is not named above: those of jobs look themselves whose job it is."""
    return "score" if template_of(path) is None else None


def around(online: Online) -> Callable[[ASGIApp], ASGIApp]:
    """Puts the layers of one worker around an application that answers what is not ours."""

    def wrap(native: ASGIApp) -> ASGIApp:
        intake = Intake(online)
        tasks = TaskFace(NativeCalls(native), online, intake)
        others = Documentation(NativeFace(tasks, online), Described(online.models, MAX_LIST))
        rest = RestFace(others, online, BatchFace(online, intake))
        observe = Observe(
            KeyRequired(
                rest,
                online.keys,
                render_error,
                scopes=SCOPES_OF_PATHS,
                scope_of_others=scope_of,
                open_paths=OPEN_DOCS_PATHS,
                failed_per_minute=online.settings.failed_keys_per_minute,
            ),
            [*REST_PATHS, *NATIVE_CALLS, *DOCS_PATHS],
            online.in_progress,
            online.closes_connection,
            template_of=template_of,
            log_all=online.settings.log_level == "DEBUG",
        )
        if online.tracing is None:
            return observe
        return Traced(observe, online.tracing, observe.route_of, without=OPEN_PATHS)

    return wrap

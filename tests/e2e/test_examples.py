"""docs/examples.md is what happens: each block run as it stands, each answer compared, and no call left out.

`EXAMPLES=write pytest tests/e2e/test_examples.py` writes the answers of today into the page; read the difference before
it is committed.
"""

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import httpx
import pytest
from installation import ROOT, Installation, Server, environment, serving
from worked_examples import Answer, Example, Page, Reader, approximately

from loan_default import errors
from loan_default.errors import LoanDefaultError

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]  # the first test runs the whole page

FILE = ROOT / "docs" / "examples.md"
PAGE = Page(FILE.read_text(encoding="utf-8"))
SERVERS = re.findall(r"^\| `(http://\S+)` \| .* \| `(.*)` \|$", PAGE.text, re.MULTILINE)
KEYS_MADE = 1  # so many blocks come before the servers are started
SERVE = ["bentoml", "serve", "service:LoanDefault"]


class Run:
    """The whole page, run once."""

    def __init__(self, folder: Path, installation: Installation) -> None:
        self._folder = folder
        self._installation = installation
        self.servers: dict[str, Server] = {}
        self.answers: dict[int, Answer] = {}

    def go(self, stack: ExitStack) -> None:
        """Run the block that makes the keys, start the servers, run the others."""
        (self._folder / "data").symlink_to(ROOT / "data")
        self._read(PAGE.examples[:KEYS_MADE])
        for address, settings in SERVERS:
            self.servers[address] = stack.enter_context(self._serving(address, settings))
        self._read(PAGE.examples[KEYS_MADE:])

    def owner(self) -> dict[str, str]:
        """The header with the key that may do everything."""
        return {"X-API-Key": (self._folder / "owner.key").read_text().strip()}

    def _read(self, examples: list[Example]) -> None:
        addresses = {address: server.url for address, server in self.servers.items()}
        reader = Reader(self._folder, self._variables("reader"), addresses)
        self.answers |= {example.number: reader.run(example) for example in examples}

    def _variables(self, state: str, settings: str = "") -> dict[str, str]:
        """The environment of a program: the page's keys, the settings of a row of its table, defaults otherwise."""
        variables = environment(self._folder / state)
        for preset in ("API_KEY", "RATE_LIMIT_PER_MINUTE"):
            del variables[preset]
        chosen = dict(setting.split("=") for setting in settings.split())
        return {**variables, "API_KEYS_FILE": str(self._folder / "api_keys"), **chosen}

    def _serving(self, address: str, settings: str) -> AbstractContextManager[Server]:
        state = f"state-{address.rpartition(':')[2]}"
        has_model = address != SERVERS[-1][0]
        if has_model:
            self._installation.copy(self._folder / state)
        log = self._folder / f"{state}.log"
        return serving(SERVE, self._variables(state, settings), ROOT, log, ready=has_model)


@pytest.fixture(scope="module")
def run(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The page, run from top to bottom; its servers go on until the last test."""
    run = Run(tmp_path_factory.mktemp("examples"), installation)
    with ExitStack() as stack:
        run.go(stack)
        if os.environ.get("EXAMPLES") == "write":
            FILE.write_text(PAGE.with_answers(run.answers), encoding="utf-8")
        yield run


@pytest.mark.parametrize("example", PAGE.examples, ids=lambda one: f"{one.number}-{one.heading}")
def test_the_answer_is_the_one_that_is_shown(run: Run, example: Example) -> None:
    answer = run.answers[example.number]
    if answer.printed:
        assert answer.status == example.shown.status
    assert answer.comparable() == approximately(example.shown.comparable())


def test_no_call_of_the_openapi_document_is_left_out(run: Run) -> None:
    main, *others = run.servers.values()
    document = httpx.get(main.url + "/openapi.json", headers=run.owner(), timeout=10).json()
    described = {(method.upper(), path) for path, calls in document["paths"].items() for method in calls}
    assert described - {call for server in (main, *others) for call in answered(server)} == set()


def answered(server: Server) -> set[tuple[str, str]]:
    """Method and route of what a server has answered well."""
    pattern = re.compile(r'loan_http_requests_total\{method="(\w+)",route="([^"]+)",status="[23]')
    return {(found[1], found[2]) for found in map(pattern.match, server.metrics()) if found}


def test_every_error_is_shown_or_said_not_to_be() -> None:
    raised = {
        (int(error.status), error.code)
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, LoanDefaultError)
    }
    answers = [example.shown for example in PAGE.examples]
    shown = {(int(answer.status or 0), code) for answer in answers for code in codes(answer.printed)}
    rows = re.findall(r"^\| (\d{3}) \| (`.*`) \| ", PAGE.text, re.MULTILINE)
    told = {(int(status), code) for status, listed in rows for code in re.findall(r"`(\w+)`", listed)}
    assert (shown & raised) | told == raised
    assert not shown & told


def codes(printed: str) -> list[str]:
    return re.findall(r'^ *"error": "(\w+)"', printed, re.MULTILINE)

"""10,000 different requests over 64 connections: each gets its own applicant's answer, to the last bit.

Every tenth applicant is a wrong one, who is refused and disturbs nobody.
"""

import asyncio
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np
import pytest
from installation import ROOT, Installation, Server
from wire import request

from loan_default.model import LoanModel
from loan_default.served import find_served
from loan_default.settings import Settings

pytestmark = pytest.mark.e2e

COUNT = 10_000
CONNECTIONS = 64
REST, NATIVE = "/api/v1/predict", "/predict"
# What is wrong with a wrong applicant, in turn.
WRONG: tuple[dict[str, object], ...] = (
    {"bank_balance": -1},
    {"employed": True},
    {"annual_salary": "532339.56"},
    {"annual_salary": None},
    {"age": 40},
)


class Applicants:
    """Different ones, every tenth of them wrong, and what the model itself says of the right ones."""

    def __init__(self, model: LoanModel) -> None:
        generator = np.random.default_rng(7)
        columns = (
            generator.integers(2, size=COUNT),
            generator.uniform(0, 32_000, COUNT),
            generator.uniform(1, 9e5, COUNT),
        )
        matrix = np.column_stack(columns).astype(np.float64)
        self.pds = model.pd(matrix).tolist()
        names = model.schema.column_names
        self.right = [dict(zip(names, (int(row[0]), row[1], row[2]), strict=True)) for row in matrix.tolist()]
        self.sent = [
            {**row, **WRONG[i // 10 % len(WRONG)]} if self.is_wrong(i) else row for i, row in enumerate(self.right)
        ]

    @staticmethod
    def is_wrong(i: int) -> bool:
        """Whether the i-th applicant is a wrong one."""
        return i % 10 == 9


@pytest.fixture(scope="module")
def applicants(installation: Installation) -> Applicants:
    settings = Settings(_env_file=None, state_dir=installation.state)
    return Applicants(LoanModel.load(find_served(settings, ROOT).model_folder))


def answers(url: str, requests: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Status and body of each request's answer, sent over `CONNECTIONS` connections that are kept open."""
    at = urlsplit(url)
    found: list[tuple[int, bytes]] = [(0, b"")] * len(requests)

    async def caller(first: int) -> None:
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        for i in range(first, len(requests), CONNECTIONS):
            writer.write(requests[i])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            found[i] = int(head[9:12]), await reader.readexactly(length)
            if b"\r\nconnection: close\r\n" in head:  # now and then, so that the workers share the connections
                writer.close()
                reader, writer = await asyncio.open_connection(at.hostname, at.port)
        writer.close()
        await writer.wait_closed()

    async def all_of_them() -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(*(caller(first) for first in range(CONNECTIONS)))

    asyncio.run(all_of_them())
    return found


def test_each_caller_gets_their_own_answer(server: Server, applicants: Applicants) -> None:
    found = answers(server.url, [request(REST, json.dumps(row).encode()) for row in applicants.sent])
    for i, (status, body) in enumerate(found):
        answer = json.loads(body)
        if applicants.is_wrong(i):
            assert (status, answer["error"]) == (422, "invalid_applicant"), (i, body)
            continue
        assert status == 200, (i, body)
        assert answer["data"]["probability"] == applicants.pds[i], i
        assert applicants.right[i].items() <= answer["data"]["features_used"].items(), i


def test_each_row_of_each_list_gets_its_own_answer(server: Server, applicants: Applicants) -> None:
    """Lists of one applicant and their neighbour, so that every wrong one shares a list with a right one."""
    pairs = [(i, i + 1 - COUNT * (i + 1 == COUNT)) for i in range(COUNT)]
    bodies = [{"applications": [applicants.sent[i] for i in pair]} for pair in pairs]
    found = answers(server.url, [request(NATIVE, json.dumps(body).encode()) for body in bodies])
    for pair, (status, body) in zip(pairs, found, strict=True):
        assert status == 200, (pair, body)
        for i, answer in zip(pair, json.loads(body), strict=True):
            if applicants.is_wrong(i):
                assert answer["error"] == "invalid_applicant", (i, answer)
            else:
                assert answer["probability"] == applicants.pds[i], i
                assert applicants.right[i].items() <= answer["features_used"].items(), i

"""Constant load: callers that keep their connection alive and ask one question after another."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from installation import KEY


@dataclass(frozen=True)
class Question:
    """A POST request with a JSON body."""

    path: str
    body: Any


@dataclass
class Load:
    """What has become of the load so far: what was answered with 200, and everything else in words."""

    answers: list[tuple[Question, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextmanager
def constant_load(
    url: str, questions: list[Question], callers: int = 6, pause_s: float = 0.01, key: Callable[[], str] = lambda: KEY
) -> Iterator[Load]:
    """Ask `questions` in turn from so many connections, while the block lasts; each call asks for its `key`."""
    load = Load()
    over = threading.Event()
    threads = [
        threading.Thread(target=_call, args=(url, questions[n:] + questions[:n], load, over, pause_s, key))
        for n in range(callers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _call(  # noqa: PLR0913, PLR0917  # what a caller is made of
    url: str, questions: list[Question], load: Load, over: threading.Event, pause_s: float, key: Callable[[], str]
) -> None:
    at = urlsplit(url)
    connection = http.client.HTTPConnection(str(at.hostname), at.port, timeout=20)
    while not over.is_set():
        for question in questions:
            headers = {"X-API-Key": key(), "Content-Type": "application/json"}
            try:
                # It connects anew when the answer before said that its connection would be closed.
                connection.request("POST", question.path, json.dumps(question.body), headers)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                load.failures.append(repr(error))
                connection.close()
                continue
            if answer.status == http.client.OK:
                load.answers.append((question, json.loads(body)))
            else:
                load.failures.append(f"{answer.status} {body.decode()[:200]}")
            time.sleep(pause_s)
            if over.is_set():
                break
    connection.close()

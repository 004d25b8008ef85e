"""The limit: as little as Python can do for a checked and calibrated answer. No framework, no keys, no metrics, no log.

    python -m benchmarks.rivals.bare_asgi MODEL_FOLDER PORT

One ASGI function under uvicorn with uvloop and httptools: msgspec checks the body, the rows of one turn of the event
loop are scored in one call of XGBoost, and the answer is the PD alone.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import uvicorn

from benchmarks.rivals.model_files import ModelFiles, read

_OK = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json")],
}
_BAD = {"type": "http.response.start", "status": 422, "headers": [(b"content-type", b"text/plain")]}


class Bare:
    """The ASGI function, with the rows that wait for the end of this turn."""

    def __init__(self, model: ModelFiles) -> None:
        self._model = model
        self._decoder = msgspec.json.Decoder(_struct(model))
        self._waiting: list[tuple[tuple[float, ...], asyncio.Future[float]]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one ASGI call."""
        if scope["type"] != "http":
            return
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        if not body:  # somebody asks whether we are there
            await send(_OK)
            await send({"type": "http.response.body", "body": b"{}"})
            return
        try:
            row = msgspec.structs.astuple(self._decoder.decode(body))
        except msgspec.MsgspecError as error:
            await send(_BAD)
            await send({"type": "http.response.body", "body": str(error).encode()})
            return
        pd = await self._submit(row)
        await send(_OK)
        await send({"type": "http.response.body", "body": msgspec.json.encode({"probability": pd})})

    def _submit(self, row: tuple[float, ...]) -> asyncio.Future[float]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[float] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._score)
        self._waiting.append((row, answer))
        return answer

    def _score(self) -> None:
        batch, self._waiting = self._waiting, []
        pds = self._model.pds(np.array([row for row, _ in batch], dtype=np.float64))
        for (_, answer), pd in zip(batch, pds.tolist(), strict=True):
            if not answer.done():  # the caller may have gone away
                answer.set_result(pd)


def _struct(model: ModelFiles) -> type[msgspec.Struct]:
    fields = [(name, Annotated[of_type, msgspec.Meta(**model.limits[name])]) for name, of_type in model.columns.items()]
    return msgspec.defstruct("Applicant", fields, forbid_unknown_fields=True)


if __name__ == "__main__":
    uvicorn.run(
        Bare(read(Path(sys.argv[1]))),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )

"""Rival: LitServe with batching.

python -m benchmarks.rivals.litserve_custom MODEL_FOLDER PORT
"""

import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, create_model

from benchmarks.rivals.model_files import read

_MOST = 32
_WAIT_S = 0.001


class Loan(litserve.LitAPI):  # type: ignore[misc]  # another environment's package
    """PDs of applicants."""

    folder: Path

    def setup(self, _device: str) -> None:
        """Read the model."""
        self._model = read(self.folder)
        fields: Any = {
            name: (of_type, Field(**self._model.limits[name])) for name, of_type in self._model.columns.items()
        }
        self._applicant: Any = create_model("Applicant", __config__=ConfigDict(extra="forbid"), **fields)

    def decode_request(self, request: dict[str, Any]) -> tuple[float, ...]:
        """Check one applicant."""
        return tuple(dict(self._applicant.model_validate(request)).values())

    def batch(self, inputs: list[tuple[float, ...]]) -> NDArray[np.float64]:
        """One table of several applicants."""
        return np.array(inputs, dtype=np.float64)

    def predict(self, rows: NDArray[np.float64]) -> list[float]:
        """Score a batch."""
        pds: list[float] = self._model.pds(rows).tolist()
        return pds

    def unbatch(self, output: list[float]) -> list[float]:
        """One PD for each applicant."""
        return output

    def encode_response(self, output: float) -> dict[str, float]:
        """The answer."""
        return {"probability": output}


if __name__ == "__main__":
    api = Loan(max_batch_size=_MOST, batch_timeout=_WAIT_S)
    api.folder = Path(sys.argv[1])
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False, access_log=False
    )

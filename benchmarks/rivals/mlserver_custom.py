"""Rival: MLServer with a custom runtime and its adaptive batching, asked by the V2 protocol: one tensor of columns.

Started as `mlserver start FOLDER`, where `benchmarks/online/servers.py` has put its settings. Unlike ours it checks
nothing about the values.
"""

from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.rivals.model_files import read


class Loan(MLModel):  # type: ignore[misc]  # another environment's package
    """PDs of applicants."""

    async def load(self) -> bool:
        """Read the model."""
        self._model = read(Path(self.settings.parameters.uri))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Score a batch."""
        rows = NumpyCodec.decode_input(payload.inputs[0])
        pds = self._model.pds(rows)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("pd", pds.reshape(-1, 1))])

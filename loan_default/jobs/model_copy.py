"""A job's own copy of the model, so that a promotion while it waits or runs changes nothing of its answers."""

import tempfile
from pathlib import Path
from typing import Final

from loan_default.model import LoanModel
from loan_default.storage import Folder

_PREFIX: Final = "model/"


def keep_model(model_folder: Path, folder: Folder) -> None:
    """Copy a model that `LoanModel.save` wrote into a job's folder."""
    for path in sorted(model_folder.iterdir()):
        if path.is_file():
            folder.write(_PREFIX + path.name, path.read_bytes())


def load_kept_model(folder: Folder) -> LoanModel:
    """The model of a job, wherever its files are; raises ModelFileError and what `Folder.read` raises."""
    with tempfile.TemporaryDirectory(prefix="loan-default-model-") as local:
        for name in folder.names():
            if name.startswith(_PREFIX):
                Path(local, Path(name).name).write_bytes(folder.read(name))
        return LoanModel.load(Path(local))

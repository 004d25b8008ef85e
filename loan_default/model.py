"""The whole decision: features, XGBoost, calibration, threshold and risk bands, in one object and one folder.

The folder holds XGBoost's own format and text, never a pickle:

    booster.ubj       the trees
    decision.json     calibration, threshold, bands, and the policy that chose the threshold
    schema.json       the declaration of the applicant's columns
    about.json        where the model comes from: run, time, data, figures
    reference.json    the training rows in bins, to compare others with; models of earlier versions lack it
    checksums.json    sha256 of each of these files, so that an altered or half-copied model is refused

Nothing here needs MLflow or BentoML: `registry.py` says where the folder is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from loan_default.cells import Answering, Cells, by_cell
from loan_default.checksums import check_files, write_checksums
from loan_default.decision import Decision, Stored
from loan_default.errors import ModelFileError
from loan_default.features import Features
from loan_default.margins import raw_margins
from loan_default.reasons import Reason, explain_with, raw_contributions
from loan_default.reference import PopulationWatch, Reference
from loan_default.schema import Schema

_FILES = ("booster.ubj", "decision.json", "schema.json", "about.json")
_REFERENCE = "reference.json"
# Cells whose contributions are kept: each costs XGBoost a hundred times what its margin costs.
_MOST_EXPLAINED = 4_096


class About(Stored):
    """Where a model comes from.

    Attributes:
        metrics: the figures of its training run by name, out of fold and hold-out.
        data: the name of the training file, whose checksum is `data_sha256`.
        options: the options of the training, by name.
        holdout_cutoffs: for class 0 and 1, the largest row hash that was held out (see `training/split.py`).
        git_commit, lock_sha256, libraries: the code, the locked packages and the installed versions.
        format: of the model's folder as a whole. The first is not written down, so that earlier versions read it, too.
    """

    format: Literal[1] | None = None

    run_id: str
    created_at: datetime
    model_type: str
    package_version: str
    data_sha256: str
    seed: int
    metrics: dict[str, float]
    data: str | None = None
    options: dict[str, int | float | str] = Field(default_factory=dict)
    holdout_cutoffs: tuple[int, int] | None = None
    git_commit: str | None = None
    lock_sha256: str | None = None
    libraries: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class LoanModel:
    """A trained model with everything it takes to answer.

    Attributes:
        reference: the rows it was trained on, in bins; None when it was trained by a version that kept none.
    """

    schema: Schema
    booster: xgb.Booster
    decision: Decision
    about: About
    features: Features
    reference: Reference | None = None

    @classmethod
    def assemble(
        cls, schema: Schema, booster: xgb.Booster, decision: Decision, about: About, reference: Reference | None = None
    ) -> Self:
        """Put the parts together; the features follow from the schema."""
        return cls(schema, booster, decision, about, Features(schema), reference)

    def pd(self, applicants: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities of default.

        Args:
            applicants: (n, number of columns), in the schema's order, already validated.

        Returns:
            (n,) probabilities; a row's answer does not depend on the other rows.
        """
        return self.pd_of_features(self.features.matrix(applicants))

    def pd_of_features(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same from a feature matrix, (n, number of features), for callers that need the features too."""
        return self._pd(matrix)

    @cached_property
    def cells(self) -> Cells | None:
        """The cells of its trees, where they are few; computed when they are first asked for."""
        return Cells.of(self.booster)

    @cached_property
    def _pd(self) -> Answering[np.float64]:
        return by_cell(self.cells, lambda matrix: self.decision.calibration.pd(raw_margins(self.booster, matrix)))

    @cached_property
    def _contributions(self) -> Answering[np.float32]:
        return by_cell(
            self.cells, lambda matrix: raw_contributions(self.booster, self.schema, matrix), most=_MOST_EXPLAINED
        )

    def population_watch(self, threshold: float) -> PopulationWatch | None:
        """What compares scored rows with the training population; None when the model does not carry it.

        Args:
            threshold: the PSI from which a shift matters (DRIFT_PSI_THRESHOLD).
        """
        return None if self.reference is None else PopulationWatch(self.reference, threshold)

    def explain(self, applicants: NDArray[np.float64]) -> list[list[Reason]]:
        """Why each applicant got its PD: at most four reasons each, the weightiest first; see `reasons.py`.

        Args:
            applicants: (n, number of columns), n ≥ 1, in the schema's order, already validated.
        """
        values = self.features.values(applicants)
        declined = self.pd_of_features(values.astype(np.float32)) >= self.decision.threshold
        return self.explain_values(values, declined.tolist())

    def explain_values(self, values: NDArray[np.float64], declined: Sequence[bool]) -> list[list[Reason]]:
        """The same from `Features.values`, (n, number of features), and whether each was declined."""
        return explain_with(self._contributions, self.decision.calibration, self.schema, values, declined)

    def save(self, folder: Path) -> None:
        """Write the model into `folder`, which must not exist yet."""
        folder.mkdir(parents=True)
        self.booster.save_model(folder / "booster.ubj")
        (folder / "decision.json").write_text(_text(self.decision), encoding="utf-8")
        (folder / "schema.json").write_text(_text(self.schema), encoding="utf-8")
        (folder / "about.json").write_text(_text(self.about), encoding="utf-8")
        if self.reference is not None:
            (folder / _REFERENCE).write_text(_text(self.reference), encoding="utf-8")
        write_checksums(folder, _FILES if self.reference is None else (*_FILES, _REFERENCE))

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Read a model that `save` wrote.

        Args:
            folder: where it is.
            threads: how many XGBoost may use for one call; one row is fastest on one.

        Raises:
            ModelFileError: a file is missing, altered or of an unknown format.
        """
        named = check_files(folder, _FILES, may_lack=_REFERENCE)
        booster = _read_booster(folder / "booster.ubj", threads)
        schema = _read(folder / "schema.json", Schema)
        taken, declared = _features(booster), list(zip(schema.feature_names, schema.feature_types, strict=True))
        if taken != declared:
            raise ModelFileError(
                f"The stored model takes the features {taken}, its schema.json declares {declared}; train it again."
            )
        reference = _read(folder / _REFERENCE, Reference) if _REFERENCE in named else None
        if reference is not None and list(reference.features) != schema.feature_names:
            raise ModelFileError(
                f"{_REFERENCE} of the stored model describes other features than its schema.json declares."
            )
        decision, about = _read(folder / "decision.json", Decision), _read(folder / "about.json", About)
        return cls.assemble(schema, booster, decision, about, reference)


def _features(booster: xgb.Booster) -> list[tuple[str, str]]:
    """Name and XGBoost's type of each feature that a booster takes."""
    return list(zip(booster.feature_names or (), booster.feature_types or (), strict=False))


def _read_booster(path: Path, threads: int) -> xgb.Booster:
    try:
        booster = xgb.Booster(model_file=path)
    except (xgb.core.XGBoostError, UnicodeDecodeError) as error:  # the latter when XGBoost quotes the bytes it dislikes
        raise ModelFileError(f"{path.name} of the stored model cannot be read by this version of XGBoost.") from error
    booster.set_param({"nthread": threads})
    return booster


_Model = TypeVar("_Model", bound=BaseModel)


def _read(path: Path, model: type[_Model]) -> _Model:
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelFileError(
            f"{path.name} of the stored model cannot be read by this version of loan-default: {error}"
        ) from error


def _text(stored: BaseModel) -> str:
    content: Any = stored.model_dump(mode="json", exclude_none=True)
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

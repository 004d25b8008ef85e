"""A registry with three versions, and shops in which nothing is promoted yet: real MLflow and BentoML stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import CARDS
from models import complete

from loan_default.model import LoanModel
from loan_default.registry import Registered, log_and_register
from loan_default.served import REGISTERED_NAME
from loan_default.settings import Settings
from loan_default.tracking import client, training_run
from loan_default.training.fit import Fitted


def narrowed(model: LoanModel) -> LoanModel:
    """The same model, but it takes no balance above 100,000 dollars: callers who send one would break."""
    columns = [
        column.model_copy(update={"maximum": 100_000.0}) if column.name == "bank_balance" else column
        for column in model.schema.columns
    ]
    schema = model.schema.model_copy(update={"columns": tuple(columns)})
    return LoanModel.assemble(schema, model.booster, model.decision, model.about)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, fitted: Fitted) -> Iterator[tuple[str, list[Registered]]]:
    """The URI of an MLflow store with three versions; the third takes less than the others."""
    folder = tmp_path_factory.mktemp("registry")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BENTOML_HOME", str(folder / "bentoml"))  # both are set again when stores are opened
        environment.setenv("MLFLOW_TRACKING_URI", "")
        environment.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        environment.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        settings = Settings(_env_file=None, state_dir=folder, mlflow_tracking_uri=None)
        plain = complete(fitted)
        versions = []
        for model in (plain, plain, narrowed(plain)):
            with training_run(settings) as run_id:
                about = model.about.model_copy(update={"run_id": run_id, "git_commit": "beef"})
                own = LoanModel.assemble(model.schema, model.booster, model.decision, about)
                versions.append(log_and_register(settings, own, CARDS))
        yield settings.tracking_uri, versions


@pytest.fixture
def versions(registered: tuple[str, list[Registered]]) -> list[Registered]:
    """The three versions."""
    return registered[1]


@pytest.fixture
def shop(tmp_path: Path, registered: tuple[str, list[Registered]]) -> Iterator[Settings]:
    """A state folder and a BentoML store of their own, nothing promoted and no history."""
    settings = Settings(
        _env_file=None,
        state_dir=tmp_path / "state",
        bentoml_home=tmp_path / "bentoml",
        mlflow_tracking_uri=registered[0],
        model_stage="production",
    )
    mlflow = client(settings)
    found = mlflow.get_registered_model(REGISTERED_NAME)
    for alias in found.aliases:
        mlflow.delete_registered_model_alias(REGISTERED_NAME, alias)
    for key in found.tags:
        mlflow.delete_registered_model_tag(REGISTERED_NAME, key)
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.models.model import ModelStore

    # BentoML reads its home once in a process; here each test has another.
    (tmp_path / "bentoml" / "models").mkdir(parents=True)
    BentoMLContainer.model_store.set(ModelStore(tmp_path / "bentoml" / "models"))
    yield settings
    BentoMLContainer.model_store.reset()

"""What `bentoml build` packs: the promoted model, or nothing at all."""

import bentoml
import click
from bentoml.exceptions import NotFound

from loan_default.api.online import Online
from loan_default.errors import ModelUnavailable


def packed_model(online: Online) -> bentoml.models.BentoModel | None:
    """The promoted model, as the class attribute that makes `bentoml build` pack it; None when there is none.

    Raises:
        ModelUnavailable: `bentoml build` was called, and it would make a Bento without a model.
    """
    models = online.models
    problem = models.problem
    if models.served is not None:
        try:
            bentoml.models.get(models.served.tag)
            return bentoml.models.BentoModel(models.served.tag)
        except NotFound as error:  # BentoML was started with another BENTOML_HOME
            problem = str(error)
    if _building():
        raise ModelUnavailable(f"The Bento would carry no model; use `make bento`, or export BENTOML_HOME. {problem}")
    return None


def _building() -> bool:
    """Whether this import is part of `bentoml build`, whose command line is a click program."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "build"

"""What workers and monitor say to each other survives the way."""

import numpy as np
import pytest
from pydantic import ValidationError
from samples import introduction

from loan_default.drift_link.messages import Batch, Introduction
from loan_default.model import LoanModel


def test_numbers_arrive_to_the_last_bit_missing_ones_too() -> None:
    features = np.array([[np.nan, 1e-40, -np.inf], [0.1, np.inf, -0.0]], dtype=np.float32)
    pd = np.array([0.1, 5e-324])
    arrived = Batch.model_validate_json(Batch.of(features, pd, tag="a:1-b").model_dump_json()).arrays(3)
    assert [part.tobytes() for part in arrived] == [features.tobytes(), pd.tobytes()]


def test_a_reference_arrives_as_it_is(credit_model: LoanModel) -> None:
    said = introduction(credit_model)
    assert Introduction.model_validate_json(said.model_dump_json()) == said


@pytest.mark.parametrize("tag", ["", "../../etc", "a/b", "a" * 129, "a b"])
def test_a_tag_that_could_lead_out_of_a_folder_is_refused(tag: str) -> None:
    with pytest.raises(ValidationError):
        Batch(tag=tag, rows=1, features="", pd="")

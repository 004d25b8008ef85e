"""Paths with a job's id in them have one template each, and no other path has one."""

import pytest

from loan_default.api.bulk.routes import BATCH_CALLS, BATCH_PATH, batch_route, require_method_of, template_of
from loan_default.errors import WrongMethod

JOB = "0" * 32


@pytest.mark.parametrize("template", BATCH_CALLS)
def test_each_template_is_found_with_its_id(template: str) -> None:
    route = batch_route(template.replace("{job_id}", JOB))
    assert route == (template, JOB if "{job_id}" in template else "")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        JOB,
        f"{BATCH_PATH}/",
        f"{BATCH_PATH}es",
        f"{BATCH_PATH}//results",
        f"{BATCH_PATH}/{JOB}/",
        f"{BATCH_PATH}/{JOB}/other",
        f"{BATCH_PATH}/{JOB}/results/more",
        f"/x{BATCH_PATH}/{JOB}",
    ],
)
def test_no_other_path_is_one(path: str) -> None:
    assert batch_route(path) is None
    assert template_of(path) is None


def test_a_label_holds_no_id_whatever_stands_in_its_place() -> None:
    assert template_of(f"{BATCH_PATH}/a-strangers-words/results") == f"{BATCH_PATH}/{{job_id}}/results"
    assert template_of("/score/get") == "/score/get"


def test_head_goes_where_get_does_and_a_wrong_method_names_the_right_ones() -> None:
    require_method_of("HEAD", ("GET", "DELETE"))
    with pytest.raises(WrongMethod, match="takes GET, DELETE only"):
        require_method_of("POST", ("GET", "DELETE"))
    with pytest.raises(WrongMethod):
        require_method_of("HEAD", ("POST",))

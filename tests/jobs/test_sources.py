"""Portfolios named by a URI: under a configured prefix, or not at all, however the name is spelt."""

import os
from pathlib import Path

import pytest

from loan_default.errors import BulkInputError, SettingsError
from loan_default.jobs.sources import first_bytes, place_of
from loan_default.settings import Settings, read_settings


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    (folder / "may").mkdir(parents=True)
    (folder / "may" / "p.csv").write_text("a,b\n")
    (tmp_path / "secret.csv").write_text("secret")
    (tmp_path / "lake-of-others").mkdir()
    (tmp_path / "lake-of-others" / "p.csv").write_text("secret")
    return folder


@pytest.fixture
def allowed(settings: Settings, lake: Path) -> Settings:
    return settings.model_copy(update={"job_sources": f"/nowhere, {lake}"})


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_below_a_prefix_is_found(allowed: Settings, lake: Path, scheme: str) -> None:
    assert place_of(f"{scheme}{lake}/may/p.csv", allowed).path == str(lake / "may" / "p.csv")
    assert first_bytes(f"{scheme}{lake}/may/p.csv", allowed) == b"a,b\n"


@pytest.mark.parametrize(
    "uri",
    [
        "{lake}/../secret.csv",
        "{lake}/may/../../secret.csv",
        "{lake}/./may/p.csv",
        "{lake}//may/p.csv",
        "{lake}-of-others/p.csv",
        "{lake}",
        "{lake}/",
        "{lake}/may",
        "{lake}/none.csv",
        "{lake}/may/p.csv?x=1",
        "{lake}/may/%70.csv",
        "{lake}/may/p.csv\x00",
        "{lake}/may\\p.csv",
        "file://host{lake}/may/p.csv",
        "http://169.254.169.254{lake}/may/p.csv",
        "s3://bucket/may/p.csv",
        "hdfs:///may/p.csv",
        "may/p.csv",
        "",
    ],
)
def test_nothing_else_is_read(allowed: Settings, lake: Path, uri: str) -> None:
    with pytest.raises(BulkInputError) as caught:
        first_bytes(uri.format(lake=lake), allowed)
    assert str(lake) not in caught.value.message


def test_a_link_out_of_the_folder_is_not_followed_and_one_within_it_is(allowed: Settings, lake: Path) -> None:
    (lake / "out.csv").symlink_to(lake.parent / "secret.csv")
    (lake / "in.csv").symlink_to(lake / "may" / "p.csv")
    assert first_bytes(f"{lake}/in.csv", allowed) == b"a,b\n"
    with pytest.raises(BulkInputError, match="no readable file"):
        first_bytes(f"{lake}/out.csv", allowed)


def test_a_pipe_is_no_file_to_wait_for(allowed: Settings, lake: Path) -> None:
    os.mkfifo(lake / "pipe.csv")
    with pytest.raises(BulkInputError, match="no readable file"):
        first_bytes(f"{lake}/pipe.csv", allowed)


def test_without_a_setting_nothing_is_read(settings: Settings, lake: Path) -> None:
    with pytest.raises(BulkInputError, match="JOB_SOURCES names the places"):
        place_of(f"{lake}/may/p.csv", settings)


def test_a_bucket_keeps_the_operators_parameters_and_takes_none_of_a_callers(settings: Settings) -> None:
    allowed = settings.model_copy(
        update={"job_sources": "s3://lake/scored?endpoint_override=127.0.0.1:1&scheme=http&region=eu-west-1"}
    )
    place = place_of("s3://lake/scored/may/p.parquet", allowed)
    assert (place.fs.type_name, place.path) == ("s3", "lake/scored/may/p.parquet")
    for uri in ("s3://lake/scored/p?endpoint_override=evil", "s3://other/scored/p", "s3://u:p@lake/scored/p"):
        with pytest.raises(BulkInputError):
            place_of(uri, allowed)


@pytest.mark.parametrize("places", ["lake", "http://lake", "/lake,ftp://lake"])
def test_a_place_is_a_folder_or_a_bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, places: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOB_SOURCES", places)
    with pytest.raises(SettingsError, match="JOB_SOURCES: Value error, each place must be a folder"):
        read_settings()

"""What is lent to a build is taken back, and files that name the same thing agree."""

import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from installation import ROOT

from deploy.engine import Engine, find_engine
from deploy.images import main
from deploy.uv_folder import INSIDE, uv_folder
from loan_default.image import BASE_IMAGE

DEPLOY = ROOT / "deploy"
CONTAINERFILES = ("bento.Containerfile", "training.Containerfile")


def test_a_build_is_lent_uv_with_this_machines_index_and_the_owner_alone_may_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://someone:secret'word@index.example/simple")
    with uv_folder(tmp_path) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        script = (folder / "uv").read_text()
        # The shell must read the value as it is.
        said = subprocess.run(
            ["sh", "-c", script.replace(f'exec {INSIDE}/uv-itself "$@"', 'printf %s "$UV_DEFAULT_INDEX"')],
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout == "https://someone:secret'word@index.example/simple"
        assert subprocess.run([folder / "uv-itself", "--version"], capture_output=True, check=True).stdout
    assert not list(folder.iterdir())


def test_it_is_taken_back_when_the_build_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), uv_folder(tmp_path) as folder:
        raise RuntimeError
    assert not list(folder.iterdir())


def test_without_an_engine_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="Neither docker nor podman answers"):
        find_engine()


def test_docker_is_lent_nothing_because_its_builds_cannot_be() -> None:
    assert list(Engine("docker").build_options("/lent")) == []
    assert f"volume=/lent:{INSIDE}" in Engine("podman").build_options("/lent")


@pytest.mark.parametrize("kinds", [[], ["bento", "cake"]])
def test_only_images_that_there_are_can_be_built(kinds: list[str]) -> None:
    with pytest.raises(SystemExit, match="bento, drift, training"):
        main(kinds)


def test_all_images_start_from_the_same_one() -> None:
    assert f"image={BASE_IMAGE}\n" in (DEPLOY / "base-image.sh").read_text()
    for name in CONTAINERFILES:
        assert f"ARG BASE={BASE_IMAGE}\n" in (DEPLOY / name).read_text()


@pytest.mark.parametrize("name", CONTAINERFILES)
def test_every_image_runs_as_the_same_number_on_the_same_volume(name: str) -> None:
    text = (DEPLOY / name).read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "1034:1034"
    assert "\nENV STATE_DIR=/state\nVOLUME /state\n" in text


def test_the_health_check_is_where_the_image_looks_for_it() -> None:
    (path,) = re.findall(r'/home/bentoml/bento/src/([\w/.]+)"\]', (DEPLOY / "bento.Containerfile").read_text())
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("script", sorted(DEPLOY.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_can_be_read_by_the_shell(script: Path) -> None:
    shell = "bash" if "bash" in script.read_text().splitlines()[0] else "sh"
    subprocess.run([shell, "-n", script], check=True)


def test_the_drift_monitors_bento_takes_its_own_lock() -> None:
    declared = yaml.safe_load((ROOT / "drift" / "bentofile.yaml").read_text())
    assert declared["python"]["requirements_txt"] == "./requirements/drift.txt"
    assert declared["service"] == "drift.service:DriftMonitor"

"""`bentoml build`: a Bento that answers outside the source folder, carries its model, and carries no secret."""

import re
import shutil
import sys
from pathlib import Path

import httpx
import pytest
import yaml
from decisions import wait_for
from installation import KEY, ROOT, Installation, environment, serving

from loan_default.image import BASE_IMAGE

pytestmark = pytest.mark.e2e

APPLICANT = {"employed": 1, "bank_balance": 8754.36, "annual_salary": 532339.56}


@pytest.fixture(scope="module")
def bento(installation: Installation) -> Path:
    """The folder of a Bento, built by the project's own command."""
    done = installation.run("loan-default", "build")
    assert done.returncode == 0, done.stderr
    match = re.search(r'Bento\(tag="loan_default:(\w+)"\)', done.stdout)
    assert match is not None
    return installation.state / "bentoml" / "bentos" / "loan_default" / match[1]


def test_it_pins_the_promoted_model(bento: Path) -> None:
    manifest = yaml.safe_load((bento / "bento.yaml").read_text())
    (model,) = manifest["services"][0]["models"]
    assert model["tag"].startswith("loan_default:1-")


def test_it_holds_code_and_declaration_but_no_state_keys_tests_or_training(bento: Path) -> None:
    files = {str(path.relative_to(bento / "src")) for path in (bento / "src").rglob("*") if path.is_file()}
    top = {name.split("/")[0] for name in files}
    assert top == {"bentofile.yaml", "data", "drift", "loan_default", "requirements", "service.py"}
    assert "loan_default/api/page/docs.html" in files
    assert not [name for name in files if "training" in name or "api_key" in name or name.endswith((".db", ".env"))]
    assert KEY not in "".join(path.read_text(errors="ignore") for path in bento.rglob("*") if path.is_file())


def test_its_image_has_no_compilers_and_ours_keeps_what_bentoml_sets(bento: Path) -> None:
    """deploy/bento.Containerfile takes an image apart, and must put together again what BentoML relies on."""
    theirs = (bento / "env" / "docker" / "Dockerfile").read_text()
    ours = (ROOT / "deploy" / "bento.Containerfile").read_text()
    assert "apt-get" not in theirs
    assert f"FROM {BASE_IMAGE} " in theirs
    variables = set(re.findall(r"^ENV (\w+)=", theirs, re.MULTILINE))
    assert {name for name in variables if not name.startswith("UV_")} <= set(re.findall(r"\b([A-Z_]+)=", ours))
    (entrypoint,) = re.findall(r'ENTRYPOINT \[ "(.*)" \]', theirs)
    assert f'ENTRYPOINT ["{entrypoint}"]' in ours
    (uid,) = re.findall(r"ARG BENTO_USER_UID=(\d+)", theirs)
    assert f"USER {uid}:{uid}" in ours


def test_the_drift_monitor_is_a_bento_of_its_own_with_evidently_and_without_the_api(installation: Installation) -> None:
    done = installation.run("bentoml", "build", "-f", "drift/bentofile.yaml", "-o", "tag", ".")
    assert done.returncode == 0, done.stderr
    tag = re.search(r"__tag__:loan_default_drift:(\w+)", done.stdout)
    assert tag is not None
    built = installation.state / "bentoml" / "bentos" / "loan_default_drift" / tag[1]
    assert "evidently==" in (built / "env" / "python" / "requirements.txt").read_text()
    files = {str(path.relative_to(built / "src")) for path in (built / "src").rglob("*") if path.is_file()}
    assert "drift/service.py" in files
    assert not [name for name in files if name == "service.py" or "training" in name or "tests" in name]


def test_served_by_tag_from_another_folder_it_answers(installation: Installation, bento: Path, tmp_path: Path) -> None:
    variables = {**installation.environment, "STATE_DIR": str(tmp_path / "state")}
    with serving(["bentoml", "serve", f"loan_default:{bento.name}"], variables, tmp_path, tmp_path / "log") as server:
        with server.client() as client:
            answer = client.post("/api/v1/predict", json=APPLICANT).json()
        assert answer["data"]["model_version"] == "1"


def test_exported_to_a_machine_with_an_empty_store_it_takes_its_own_model(
    installation: Installation, bento: Path, tmp_path: Path
) -> None:
    exported = tmp_path / "exported.bento"
    done = installation.run("bentoml", "export", f"loan_default:{bento.name}", str(exported))
    assert done.returncode == 0, done.stderr
    shutil.unpack_archive(exported, tmp_path / "bento", "gztar")
    variables = environment(tmp_path / "state")
    with serving(["bentoml", "serve", "."], variables, tmp_path / "bento", tmp_path / "log") as server:
        assert httpx.get(server.url + "/readyz").json() == {"status": "ready", "model_version": "1"}


def test_one_that_follows_promotions_takes_them_up_and_keeps_its_callers(
    installation: Installation, bento: Path, tmp_path: Path
) -> None:
    """As in compose: the Bento has a store of its own, and trainings share nothing with it but STATE_DIR."""
    shutil.copytree(bento, tmp_path / "bento")
    tag = yaml.safe_load((bento / "bento.yaml").read_text())["services"][0]["models"][0]["tag"]
    inside = Path("models", *tag.split(":"))
    shutil.copytree(installation.state / "bentoml" / inside, tmp_path / "home" / inside)
    shop = Installation(tmp_path / "state")
    variables = {**shop.environment, "BENTOML_HOME": str(tmp_path / "home"), "FOLLOW_PROMOTIONS": "on"}
    with (
        serving(["bentoml", "serve", "."], variables, tmp_path / "bento", tmp_path / "log") as server,
        server.client() as client,
    ):
        assert client.get("/api/v1/model/info").json()["data"]["tag"] == tag
        narrower = tmp_path / "narrower.yaml"
        declared = (ROOT / "data" / "Default_Fin.schema.yaml").read_text()
        narrower.write_text(declared.replace("name: bank_balance\n", "name: bank_balance\n    maximum: 100000\n"))
        refused = shop.run(sys.executable, "train.py", "--folds", "2", "--schema", str(narrower))
        assert (refused.returncode, "callers would break" in refused.stderr) == (3, True), refused.stderr
        assert client.get("/api/v1/model/info").json()["data"]["tag"] == tag
        done = shop.run(sys.executable, "train.py", "--folds", "2")
        assert done.returncode == 0, done.stderr
        wait_for(lambda: client.get("/api/v1/model/info").json()["data"]["version"] == "2")
        promoted = client.post("/api/v1/predict", json=APPLICANT).json()["data"]
        assert promoted["model_version"] == "2"
        reloaded = client.post("/api/v1/model/reload")
        assert (reloaded.status_code, reloaded.json()["data"]["version"]) == (200, "2")
    with (
        serving(["bentoml", "serve", "."], variables, tmp_path / "bento", tmp_path / "log again") as server,
        server.client() as client,
    ):
        again = client.post("/api/v1/predict", json=APPLICANT).json()["data"]
    assert (again["model_version"], again["probability"]) == ("2", promoted["probability"])


def test_without_a_model_the_build_is_refused(tmp_path: Path) -> None:
    empty = Installation(tmp_path)
    done = empty.run("bentoml", "build")
    assert done.returncode != 0
    assert "The Bento would carry no model" in done.stdout + done.stderr
    assert not list((tmp_path / "bentoml" / "bentos").glob("*/*"))

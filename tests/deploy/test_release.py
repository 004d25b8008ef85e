"""Releases, made for real in a repository of their own that holds this project's files."""

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from installation import ROOT

from deploy.release import BEFORE_VERSION, present_version
from loan_default import __version__

pytestmark = pytest.mark.integration

FILES = ["CHANGELOG.md", "README.md", "Makefile", "compose.yaml", ".env.example", "deploy", "docs", "k8s"]
FILES += ["loan_default/__init__.py"]
CHANGE = "- Something that users notice.\n"


class Repository:
    """A clone on which somebody works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        self.git("add", name)
        self.git("commit", "--message", f"Change {name}")

    def release(self, version: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "deploy/release.py", version, *options]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)

    def state(self) -> tuple[str, str, str]:
        return self.git("rev-parse", "HEAD"), self.git("status", "--porcelain"), self.git("tag")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    for name in FILES:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, target)
    repository = Repository(tmp_path)
    repository.git("init", "--initial-branch=main")
    repository.git("config", "user.name", "Somebody")
    repository.git("config", "user.email", "somebody@localhost")
    text = repository.read("CHANGELOG.md")
    if not re.search(r"^## Unreleased\n\n(### .*\n\n)?- ", text, re.MULTILINE):
        text = text.replace("## Unreleased\n", f"## Unreleased\n\n### Added\n\n{CHANGE}", 1)
    (tmp_path / "CHANGELOG.md").write_text(text)
    repository.git("add", ".")
    repository.git("commit", "--message", "Everything")
    return repository


def test_a_release_is_a_commit_and_a_tag_with_version_and_changelog(repository: Repository) -> None:
    changes = repository.read("CHANGELOG.md").partition("## Unreleased\n")[2].partition("\n## ")[0].strip()
    done = repository.release("7.2.0", "--no-build")
    assert done.returncode == 0, done.stderr
    assert repository.git("log", "-1", "--format=%s") == "Release 7.2.0"
    assert repository.git("status", "--porcelain") == ""
    assert repository.git("tag", "--points-at", "HEAD") == "v7.2.0"
    assert changes in repository.git("tag", "--list", "--format=%(contents)", "v7.2.0")
    assert present_version(repository.folder) == "7.2.0"
    released = f"## Unreleased\n\n## 7.2.0 - {datetime.now(UTC).date().isoformat()}\n\n{changes}"
    assert released in repository.read("CHANGELOG.md")


def test_the_version_is_left_behind_nowhere(repository: Repository) -> None:
    places = f"""image: loan_default_drift:{__version__} newTag: {__version__} ${{LOAN_DEFAULT_VERSION:-{__version__}}}
other:{__version__} loan_default:{__version__}1 loan_default:1-2db230f7"""
    repository.write("docs/places.md", places)
    assert repository.release("7.2.0", "--no-build").returncode == 0
    assert repository.read("docs/places.md").count("7.2.0") == 3
    pattern = re.compile(BEFORE_VERSION + re.escape(__version__) + r"(?![\d.])")
    texts = {name: repository.read(name) for name in repository.git("ls-files", "*.md", "*.yaml", "*.py").split()}
    assert [name for name, text in texts.items() if pattern.search(text) and name != "CHANGELOG.md"] == []


def test_a_second_release_needs_a_higher_version_and_something_to_tell(repository: Repository) -> None:
    assert repository.release("7.2.0", "--no-build").returncode == 0
    before = repository.state()
    assert "nothing under Unreleased" in repository.release("7.10.0", "--no-build").stderr
    assert "7.2.0 is not higher than 7.2.0" in repository.release("7.2.0", "--no-build").stderr
    assert "7.1.9 is not higher than 7.2.0" in repository.release("7.1.9", "--no-build").stderr
    assert repository.state() == before
    repository.write("CHANGELOG.md", repository.read("CHANGELOG.md").replace("Unreleased\n", f"Unreleased\n\n{CHANGE}"))
    assert repository.release("7.10.0", "--no-build").returncode == 0  # numbers, not letters
    assert repository.git("tag") == "v7.10.0\nv7.2.0"


def test_the_version_in_the_code_can_be_the_first_release_but_none_below_it(repository: Repository) -> None:
    assert f"0.0.1 is lower than {__version__}" in repository.release("0.0.1", "--no-build").stderr
    assert repository.release(__version__, "--no-build").returncode == 0
    assert repository.git("tag") == f"v{__version__}"


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "1.0.0-rc1", "01.0.0", "", "1.0.0; true"])
def test_what_is_no_version_is_refused(repository: Repository, version: str) -> None:
    before = repository.state()
    done = repository.release(version, "--no-build")
    assert (done.returncode, "is not a version" in done.stderr) == (2, True)
    assert repository.state() == before


def test_a_dirty_tree_is_refused_and_stays_as_it_is(repository: Repository) -> None:
    (repository.folder / "new.txt").write_text("not committed")
    before = repository.state()
    done = repository.release("7.2.0", "--no-build")
    assert (done.returncode, "not committed" in done.stderr) == (2, True)
    assert repository.state() == before


def test_another_branch_is_refused(repository: Repository) -> None:
    repository.git("switch", "--create", "idea")
    assert "Releases are made from main, and this is idea" in repository.release("7.2.0", "--no-build").stderr


def test_builds_see_the_released_version_in_their_order(repository: Repository) -> None:
    line = (
        "\t@grep -o 'version__.*' loan_default/__init__.py | sed \"s/^/$@ $$BENTO_VERSION /\"; git log -1 --format=%s\n"
    )
    targets = ["image", "image-drift", "image-training", "sbom"]
    repository.write("Makefile", "\n".join(f"{target}:\n{line}" for target in ["other", *reversed(targets)]))
    done = repository.release("7.2.0")
    built = [line for line in done.stdout.splitlines() if line.startswith(("image", "sbom", "other"))]
    assert built == [f'{target} 7.2.0 version__ = "7.2.0"' for target in targets]
    assert done.stdout.count("\nRelease 7.2.0\n") == 4


def test_a_build_that_fails_takes_the_release_back(repository: Repository) -> None:
    repository.write("Makefile", "image:\n\tfalse\n")
    before = repository.state()
    done = repository.release("7.2.0")
    assert (done.returncode, "`make image` failed" in done.stderr) == (2, True)
    assert repository.state() == before
    assert present_version(repository.folder) == __version__


def test_a_target_that_is_gone_fails_the_release(repository: Repository) -> None:
    repository.write("Makefile", "image image-drift sbom:\n\ttrue\n")
    before = repository.state()
    done = repository.release("7.2.0")
    assert (done.returncode, "`make image-training` failed" in done.stderr) == (2, True)
    assert repository.state() == before


def test_a_commit_that_fails_takes_the_texts_back_and_leaves_what_others_wrote(repository: Repository) -> None:
    hook = repository.folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    before = repository.state()
    done = repository.release("7.2.0", "--no-build")
    assert (done.returncode, "`git commit --all` failed" in done.stderr) == (2, True)
    assert repository.state() == before
    hook.write_text("#!/bin/sh\necho mine >> README.md\nexit 1\n")
    done = repository.release("7.2.0", "--no-build")
    assert (done.returncode, "Not everything is as it was" in done.stderr) == (2, True)
    assert repository.read("README.md").endswith("mine\n")
    assert repository.git("status", "--porcelain") == "M README.md"


def test_a_text_that_cannot_be_written_takes_the_others_back(repository: Repository) -> None:
    """The changelog is written last."""
    before = repository.state()
    script = (
        "import pathlib, deploy.release as release\n"
        "write = pathlib.Path.write_text\n"
        "def full(self, text, **options):\n"
        "    if 'CHANGELOG' in self.name and '## 7.2.0' in text: raise OSError(28, 'No space left on device')\n"
        "    return write(self, text, **options)\n"
        "pathlib.Path.write_text = full\n"
        "release.release(release.ROOT, '7.2.0', builds=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=repository.folder,
        env={**os.environ, "PYTHONPATH": str(repository.folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "No space left on device" in done.stderr
    assert repository.state() == before


@pytest.mark.parametrize("work", ["echo mine >> README.md", "echo mine > mine", "git switch --quiet --create idea"])
def test_a_build_that_fails_takes_nothing_back_when_somebody_works_on(repository: Repository, work: str) -> None:
    repository.write("Makefile", f"image:\n\t{work}\n\tfalse\n")
    before = repository.git("rev-parse", "HEAD")
    done = repository.release("7.2.0")
    assert (done.returncode, "`make image` failed" in done.stderr) == (2, True)
    assert repository.git("log", "-1", "--format=%s") == "Release 7.2.0"
    assert repository.git("tag") == ""
    repository.git("stash", "--include-untracked")
    repository.git(*told(done.stderr))
    assert (repository.git("rev-parse", "HEAD"), repository.git("branch", "--show-current")) == (before, "main")
    if "mine" in work:
        repository.git("stash", "pop")
        assert "mine" in repository.git("grep", "--untracked", "-h", "^mine$")


def test_a_commit_of_somebody_else_meanwhile_stays_when_the_build_fails(repository: Repository) -> None:
    repository.write(
        "Makefile", "image:\n\techo mine > mine; git add mine; git commit --quiet --message Mine\n\tfalse\n"
    )
    before = repository.git("rev-parse", "HEAD")
    done = repository.release("7.2.0")
    assert repository.git("log", "-2", "--format=%s") == "Mine\nRelease 7.2.0"
    repository.git(*told(done.stderr))
    assert repository.git("log", "-1", "--format=%s") == "Mine"
    assert repository.git("rev-parse", "HEAD~1") == before


def test_the_tag_is_the_releases_commit_though_somebody_has_committed_since(repository: Repository) -> None:
    others = "image-drift image-training sbom:\n\ttrue\n"
    mine = "image:\n\techo mine > mine; git add mine; git commit --quiet --message Mine\n"
    repository.write("Makefile", mine + others)
    assert repository.release("7.2.0").returncode == 0
    assert repository.git("log", "-1", "--format=%s") == "Mine"
    assert repository.git("log", "-1", "--format=%s", "v7.2.0") == "Release 7.2.0"


def told(message: str) -> list[str]:
    """The command of git that a failed release says will take its commit out."""
    (command,) = re.findall(r"git (rebase .*)$", message, re.MULTILINE)
    return str(command).split()

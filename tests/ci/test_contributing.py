"""What contributors are told and what their hooks run is what the Makefile does."""

import re

import pytest
import yaml
from installation import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
PAGES = ["CONTRIBUTING.md", "SECURITY.md"]


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
    for path in re.findall(r"`((?:tests|docs|examples|loan_default|deploy|requirements)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path


def test_hooks_are_local_and_come_from_the_locked_environment() -> None:
    assert [repository["repo"] for repository in HOOKS["repos"]] == ["local"]
    for hook in HOOKS["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith((".venv/bin/", "make "))


def test_hooks_of_a_commit_are_the_tools_of_make_lint() -> None:
    recipe = MAKEFILE.partition("\nlint:")[2].partition("\n\n")[0]
    linting = re.findall(r"\$\(BIN\)/(\w+)", recipe)
    hooks = [hook["entry"] for hook in HOOKS["repos"][0]["hooks"] if "stages" not in hook]
    assert [re.findall(r"^\.venv/bin/(\w+)", entry)[0] for entry in hooks] == linting

"""Make a release; `make release VERSION=0.2.0` runs it.

1. It refuses when the tree has changes, the branch is not main, the version is not higher than every release before it,
   or the changelog has nothing under Unreleased.
2. The version is written wherever it stands, and Unreleased becomes a part of its own under the version and the date.
3. That is committed; Bento, images and the list of what is in them are built from that commit, by the Makefile.
4. The commit gets the tag `vVERSION`, with its part of the changelog as the message.

Nothing leaves the machine: what to push is printed. When a build fails, the commit is taken back, so that the same
command can be run again; unless somebody has worked on meanwhile, whose work stays, and what to do is printed.
"""

import argparse
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BRANCH = "main"
CHANGELOG = "CHANGELOG.md"
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
# Where the version stands: these files, behind one of these words.
CODE = "loan_default/__init__.py"
PLACES = (CODE, "compose.yaml", ".env.example", "k8s/**/kustomization.yaml", "README.md", "docs/**/*.md")
BEFORE_VERSION = (
    r'(__version__ = "|LOAN_DEFAULT_VERSION(?::-|=|` \| `)|newTag: "?|\bloan_default(?:_drift|_training)?:)'
)
# Of the Makefile, in this order; an image comes with its Bento, which gets BENTO_VERSION.
BUILDS = ("image", "image-drift", "image-training", "sbom")
_UNRELEASED = re.compile(r"^## Unreleased\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)


class Refused(Exception):
    """A release that must not be made, and why."""


def parsed(version: str) -> tuple[int, int, int]:
    """A version as numbers, to be compared."""
    found = VERSION.fullmatch(version)
    if not found:
        raise Refused(f"{version!r} is not a version: three numbers with points between, such as 0.2.0.")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def git(folder: Path, *arguments: str) -> str:
    """What a command of git prints."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"`git {' '.join(arguments[:2])}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def present_version(folder: Path) -> str:
    """The version in the code."""
    (version,) = re.findall(r'^__version__ = "(.*)"$', (folder / CODE).read_text(encoding="utf-8"), re.MULTILINE)
    return str(version)


def require_releasable(folder: Path, version: str) -> None:
    """Raises Refused unless `version` can be released from this tree."""
    wanted = parsed(version)
    if git(folder, "status", "--porcelain"):
        raise Refused("The tree has changes that are not committed: commit or stash them first.")
    branch = git(folder, "rev-parse", "--abbrev-ref", "HEAD")
    if branch != BRANCH:
        raise Refused(f"Releases are made from {BRANCH}, and this is {branch}.")
    for tag in git(folder, "tag", "--list", "v*").split():
        if VERSION.fullmatch(tag[1:]) and wanted <= parsed(tag[1:]):
            raise Refused(f"{version} is not higher than {tag[1:]}, which is released.")
    present = present_version(folder)
    if wanted < parsed(present):
        raise Refused(f"{version} is lower than {present}, the version in the code.")
    unreleased(folder)


def unreleased(folder: Path) -> str:
    """What the changelog has under Unreleased."""
    found = _UNRELEASED.search((folder / CHANGELOG).read_text(encoding="utf-8"))
    if not found or not re.search(r"^- ", found[1], re.MULTILINE):
        raise Refused(f"{CHANGELOG} has nothing under Unreleased: say what users will notice.")
    return found[1].strip()


def with_version(folder: Path, version: str) -> dict[Path, str]:
    """Texts with the version wherever the present one stands."""
    present = re.compile(BEFORE_VERSION + re.escape(present_version(folder)) + r"(?![\d.])")
    paths = [path for place in PLACES for path in sorted(folder.glob(place))]
    return {path: present.sub(rf"\g<1>{version}", path.read_text(encoding="utf-8")) for path in paths}


def with_changelog(folder: Path, version: str) -> dict[Path, str]:
    """The changelog with what is under Unreleased as a part of its own, and Unreleased empty."""
    path = folder / CHANGELOG
    today = datetime.now(UTC).date().isoformat()
    text = path.read_text(encoding="utf-8")
    return {path: text.replace("## Unreleased\n", f"## Unreleased\n\n## {version} - {today}\n", 1)}


def build(folder: Path, version: str) -> None:
    """Have the Makefile build what belongs to a release."""
    environment = {**os.environ, "BENTO_VERSION": version}
    for target in BUILDS:
        print(f"make {target}", flush=True)
        if subprocess.run(["make", target], cwd=folder, env=environment, check=False).returncode:
            raise Refused(f"`make {target}` failed.")


def release(folder: Path, version: str, *, builds: bool) -> None:
    """Make the release; either all of it is done, or the repository is as it was but for what others did meanwhile."""
    require_releasable(folder, version)
    before = git(folder, "rev-parse", "HEAD")
    notes = unreleased(folder)
    new = with_version(folder, version) | with_changelog(folder, version)
    old = {path: path.read_text(encoding="utf-8") for path in new}
    commit = None
    try:
        write(new)
        git(folder, "commit", "--all", "--message", f"Release {version}")
        commit = git(folder, "rev-parse", "HEAD")
        if builds:
            build(folder, version)
        message = f"{version}\n\n{notes}"
        git(folder, "tag", "--annotate", f"v{version}", "--cleanup=whitespace", "--message", message, commit)
    except BaseException:
        if commit is None:
            take_back_texts(folder, before, old, new)
        else:
            take_back_commit(folder, commit)
        raise
    print(f"Released {version}. To publish it: git push origin {BRANCH} v{version}, then push the images.")


def write(texts: dict[Path, str]) -> None:
    """Write each text into its file."""
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


def take_back_texts(folder: Path, before: str, old: dict[Path, str], new: dict[Path, str]) -> None:
    """Write the old texts where the new ones stand; what somebody has edited or committed meanwhile stays."""
    if git(folder, "rev-parse", "HEAD") == before:
        write({path: text for path, text in old.items() if path.read_text(encoding="utf-8") == new[path]})
        if not git(folder, "status", "--porcelain"):
            return
    print(
        f"Not everything is as it was: `git log {before[:12]}..` and `git diff {before[:12]}` show what else was done. "
        "Keep what is yours, and restore the rest.",
        file=sys.stderr,
    )


def take_back_commit(folder: Path, commit: str) -> None:
    """Take the release's commit back, unless somebody has committed, switched or edited since: then say how to."""
    here = git(folder, "rev-parse", "HEAD"), git(folder, "rev-parse", "--abbrev-ref", "HEAD")
    if here == (commit, BRANCH) and not git(folder, "status", "--porcelain"):
        git(folder, "reset", "--keep", f"{commit}~1")  # not --hard: an edit of just now stops it
        return
    print(
        f"Somebody has committed, switched or edited since the release's commit {commit[:12]}, so it is still there. "
        "Commit or stash what is to be kept, then take it out: "
        f"git rebase --onto {commit[:12]}~1 {commit[:12]} {BRANCH}",
        file=sys.stderr,
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make a release: version, changelog, commit, Bento, images, tag.")
    parser.add_argument("version", help="such as 0.2.0")
    parser.add_argument("--no-build", action="store_true", help="leave Bento and images to somebody else, such as CI")
    arguments = parser.parse_args()
    try:
        release(ROOT, arguments.version, builds=not arguments.no_build)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

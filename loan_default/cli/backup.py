"""`loan-default backup` and `restore`: everything in STATE_DIR in one file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from loan_default.cli.shared import or_exit
from loan_default.settings import Settings, read_settings

_MIB = 2**20


def backup(
    target: Annotated[
        Path, typer.Argument(help="A new file, NAME.tar, NAME.tar.gz or NAME.tar.zst; - for standard output.")
    ],
    without_jobs: Annotated[bool, typer.Option("--without-jobs", help="Without bulk jobs and their files.")] = False,
) -> None:
    """Write all of STATE_DIR into one file while services go on: models, registry, keys, decisions, jobs, drift.

    It holds keys and personal data: only its owner can read it. Exit code 0: it is there, whole. 2: it is not there.
    """
    or_exit(lambda: _backup(read_settings(), target, without_jobs))


def restore(
    archive: Annotated[Path, typer.Argument(help="A file that `loan-default backup` wrote.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only read it to its end, and say whether it is whole.")
    ] = False,
) -> None:
    """Put a back-up into an empty STATE_DIR, which may be in another place than before.

    Exit code 0: everything is there. 2: nothing was changed; says why.
    """
    or_exit(lambda: _check(archive) if check else _restore(read_settings(), archive))


def _backup(settings: Settings, target: Path, without_jobs: bool) -> None:
    from loan_default.backup.archive import PIPE
    from loan_default.backup.make import back_up

    made = back_up(settings, target, jobs=not without_jobs)
    where = "standard output" if target == PIPE else target
    files, size = len(made.manifest.files), made.manifest.size / _MIB
    typer.echo(f"Backed up {settings.state} to {where}: {files:,} files, {size:,.1f} MiB.", err=target == PIPE)
    if made.elsewhere:
        typer.echo(f"Not in it, because it is kept elsewhere: what {', '.join(made.elsewhere)} names.", err=True)
    if made.unknown:
        typer.echo(f"Left out, because it is no state: {', '.join(made.unknown)}.", err=True)


def _check(archive: Path) -> None:
    from loan_default.backup.archive import verified

    manifest = verified(archive)
    header = manifest.header
    jobs = "with" if header.jobs else "without"
    typer.echo(
        f"{archive} is whole: {len(manifest.files):,} files, {manifest.size / _MIB:,.1f} MiB, {jobs} bulk jobs, "
        f"made by {header.made_by} at {header.made_at:%Y-%m-%d %H:%M:%S} UTC."
    )


def _restore(settings: Settings, archive: Path) -> None:
    from loan_default.backup.contents import elsewhere
    from loan_default.backup.restore import restore as put_back

    manifest = put_back(settings, archive)
    typer.echo(f"Restored {len(manifest.files):,} files, {manifest.size / _MIB:,.1f} MiB, to {settings.state}.")
    named = elsewhere(settings)
    if named:
        typer.echo(f"Not restored, because it is kept elsewhere: what {', '.join(named)} names.", err=True)

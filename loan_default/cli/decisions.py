"""`loan-default decision` and `erase`: look up what was decided, and erase it for good."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from loan_default.cli.shared import JsonOption, or_exit
from loan_default.decision_log.record import Record
from loan_default.errors import NoSuchDecision
from loan_default.settings import Settings, read_settings


def decision(
    decision_id: Annotated[str, typer.Argument(metavar="ID", help="The decision_id of an answer.")],
    as_json: JsonOption = False,
) -> None:
    """Show one recorded decision: inputs, probability, reasons of a declined applicant, model, time, key.

    Exit code 0: it is shown. 1: the decision log cannot be read. 2: there is no such decision.
    """
    or_exit(lambda: _decision(read_settings(), decision_id, as_json))


def erase(
    decision_id: Annotated[str | None, typer.Option("--decision", metavar="ID", help="Erase this decision.")] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", metavar="REF", help="Erase every decision with this reference.")
    ] = None,
) -> None:
    """Erase recorded decisions for good, in files and database. Safe while services run, to interrupt and to repeat.

    Exit code 0: erased. 1: the decision log cannot be changed. 2: there is nothing to erase.
    """
    if (decision_id is None) == (not reference):
        raise typer.BadParameter("give either --decision or --reference")
    or_exit(lambda: _erase(read_settings(), decision_id, reference or ""))


def _decision(settings: Settings, typed: str, as_json: bool) -> None:
    from loan_default.decision_log.archive import open_archive
    from loan_default.decision_log.ids import parse_decision_id

    decision_id = parse_decision_id(typed)
    with open_archive(settings) as archive:
        record = archive.find(decision_id)
    if record is None:
        raise NoSuchDecision(
            f"There is no record of decision {decision_id}: it was erased, is older than "
            f"{settings.decision_log_retention_days} days, or was made elsewhere."
        )
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(record), indent=2))
    else:
        typer.echo("\n".join(_lines(record)))


def _lines(record: Record) -> Iterator[str]:
    declined = "declined" if record.prediction else "not declined"
    about = {
        "time": f"{record.time:%Y-%m-%d %H:%M:%S.%f} UTC",
        "model": f"{record.model.tag} (version {record.model.version}, run {record.model.run_id})",
        "probability": f"{record.probability!r} ({declined}: the threshold is {record.threshold!r})",
        "risk": record.default_risk,
        "reference": record.reference or "none",
        "key": record.key_id,
        "request": f"{record.request_id} ({record.face})",
    }
    yield f"Decision {record.id}"
    yield from _table(about)
    yield "Inputs"
    yield from _table({name: "no value" if value is None else str(value) for name, value in record.inputs.items()})
    if record.reasons is not None:
        yield "Reasons"
        for i, reason in enumerate(record.reasons, start=1):
            yield f"  {i}. {_printable(reason.sentence)} ({reason.contribution:+.3f} log-odds)"


def _table(rows: dict[str, str]) -> Iterator[str]:
    width = max(len(name) for name in rows)
    return (f"  {name:{width}}  {_printable(text)}" for name, text in rows.items())


def _printable(text: str) -> str:
    """The text, but nothing of it that a terminal would obey: a caller chose it."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _erase(settings: Settings, typed: str | None, reference: str) -> None:
    from loan_default.decision_log.archive import open_archive
    from loan_default.decision_log.ids import parse_decision_id

    with open_archive(settings) as archive:
        erased = (
            archive.erase_reference(reference) if typed is None else archive.erase_decision(parse_decision_id(typed))
        )
    if not erased:
        raise NoSuchDecision("There is no record of that: nothing was erased.")
    typer.echo(f"Erased {erased} recorded decision{'' if erased == 1 else 's'}.")

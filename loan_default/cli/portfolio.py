"""How a portfolio file is said to be written, for every command that reads one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from loan_default.bulk.file_name import written_by_name
from loan_default.bulk.order import SourceKind, Written
from loan_default.errors import BulkInputError
from loan_default.schema.declaration import CsvFormat

PortfolioArgument = Annotated[
    Path, typer.Argument(help="CSV (also .csv.gz), Parquet, or JSON with one applicant a line.")
]
KindOption = Annotated[
    SourceKind | None, typer.Option("--format", help="Of the portfolio. Default: by the ending of its name.")
]
SeparatorOption = Annotated[str | None, typer.Option(help="Of a CSV. Default: found, and said.")]
DecimalOption = Annotated[str | None, typer.Option(help="Decimal mark of a CSV. Default: as declared.")]
EncodingOption = Annotated[str | None, typer.Option(help="Of a CSV. Default: found, and said.")]


def said(separator: str | None, decimal: str | None, encoding: str | None) -> dict[str, str]:
    """What the options say of a CSV."""
    stated = {"separator": separator, "decimal": decimal, "encoding": encoding}
    return {name: value for name, value in stated.items() if value}


def written_as(portfolio: Path, kind: SourceKind | None, stated: Mapping[str, str], declared: CsvFormat) -> Written:
    """How a portfolio is written, as far as it was said; what was not is found, or is as the declaration says.

    Args:
        portfolio: the file.
        kind: None goes by the ending of its name.
        stated: as `said` gives it.
        declared: how the declaration says that files are written.

    Raises:
        BulkInputError: the kind does not follow from the name, or an option is none of its values.
    """
    by_name = written_by_name(portfolio.name, kind)
    if by_name is None:
        raise BulkInputError(f"What {portfolio.name} is does not follow from its name: say it with --format.")
    if not stated:
        return by_name
    try:
        # A tab is hard to type.
        typed = {key: value.replace("\\t", "\t") for key, value in stated.items()}
        return by_name.model_copy(update={"csv": CsvFormat.model_validate(declared.model_dump() | typed)})
    except ValidationError as error:
        problem = error.errors()[0]
        raise BulkInputError(f"--{problem['loc'][0] if problem['loc'] else 'separator'}: {problem['msg']}.") from None

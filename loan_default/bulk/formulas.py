"""Keeps the text of a portfolio text when a spreadsheet opens it: a cell that begins with `=` would be a formula there.

An applicant may have chosen the text, and whoever opens the file would run it. So an apostrophe is put where a formula
would begin: at the start of a cell, and behind what another country's spreadsheet takes for the end of one. A cell of
digits and signs alone, like `-12.50`, can call nothing and stays as it is.
"""

import re
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

# Spreadsheets take the wide forms for the narrow ones. Both engines of expressions read these two alike.
_BEGINS: Final = '(^|[;\t\r\n])([ "]*)([=+\\-@＝＋－＠])'
_HARMLESS: Final = r"^([-+0-9 .,;()/%:]*|[-+]?[0-9.,]+[eE][-+]?[0-9]+)$"
_APOSTROPHE: Final = r"\1'\2\3"

_begins = re.compile(_BEGINS)
_harmless = re.compile(_HARMLESS.removesuffix("$") + r"\Z")


def column_as_text(texts: pa.Array) -> pa.Array:
    """The cells of a text column, none of which is a formula."""
    risky = pc.match_substring_regex(texts, _BEGINS)
    if not risky.true_count:
        return texts
    risky = pc.and_(risky, pc.invert(pc.match_substring_regex(texts, _HARMLESS)))
    return pc.if_else(risky, pc.replace_substring_regex(texts, _BEGINS, _APOSTROPHE), texts)


def as_text(cell: str) -> str:
    """The same of one cell."""
    return cell if _harmless.match(cell) else _begins.sub(_APOSTROPHE, cell)

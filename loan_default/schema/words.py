"""The words of files: how yes and no are written, and what an allowed value is called where a gap is an empty field."""

from loan_default.schema.columns import Column

# In any letter case. 1.0 is what a table of floats makes of 1.
TRUE_WORDS = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "0", "0.0"})


def allowed_in_files(column: Column) -> str:
    """The allowed values in words, for somebody who wrote a file."""
    return column.allowed.replace(", or null", ", or empty")

"""The applicant's columns as data: one declaration beside the CSV, from which everything else follows.

    columns.py      one column: its type, limits, categories, direction of risk
    declaration.py  the whole declaration: columns, derived features, target, audit columns, what is ignored and why
    reading.py      the file: YAML to a declaration, with errors that name the line and the key
    applicant.py    the request model that a declaration becomes, and an applicant as a row of numbers
    changes.py      what a change from one declaration to another breaks for callers

The feature matrix (`features.py`), training-data checks, the API's documentation and XGBoost's monotone constraints
follow from it; no other module names a column.
"""

from loan_default.schema.columns import Column
from loan_default.schema.declaration import Schema
from loan_default.schema.reading import DEFAULT_SCHEMA, load_schema, parse_schema

__all__ = ["DEFAULT_SCHEMA", "Column", "Schema", "load_schema", "parse_schema"]

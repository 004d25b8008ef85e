#!/bin/sh
# Run once, by the Postgres image, when its volume is empty: a database and an owner for each of the two users. Neither can
# connect to the other's. Passwords are set anew by hand: docs/compose.md says how.
set -eu

create() { # NAME PASSWORD
  psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -v name="$1" -v password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

create loan_default "$LOAN_DEFAULT_DB_PASSWORD"
create mlflow "$MLFLOW_DB_PASSWORD"

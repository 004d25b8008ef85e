#!/bin/sh
# What compose.yaml asks of the Postgres image at its start: a database with a password, and scripts that run once.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  umask 077
  printf '%s' "$POSTGRES_PASSWORD" >/tmp/word
  # shellcheck disable=SC2086  # options, separated by spaces
  initdb --username="$POSTGRES_USER" --pwfile=/tmp/word $POSTGRES_INITDB_ARGS
  rm /tmp/word
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait --options='-c listen_addresses=' start
  for script in /docker-entrypoint-initdb.d/*.sh; do sh "$script"; done
  pg_ctl --wait --mode=fast stop
fi
exec postgres -c 'listen_addresses=*'

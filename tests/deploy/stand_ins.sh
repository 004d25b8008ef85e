#!/usr/bin/env bash
# Makes images of Debian's packages that stand in for those of compose.yaml which no registry gives out here, to try it on a
# machine without one:
#
#     tests/deploy/stand_ins.sh
#
# They take the names in compose.yaml, keep to what compose.yaml asks of the real ones, and are labelled as what they are.
# Versions are Debian's, and older. Grafana has no such package: it must be left out.
set -euo pipefail
cd "$(dirname "$0")/../.."

named() { sed -n "s|^ *image: \(docker.io/.*$1:.*\)|\1|p" compose.yaml; }

build() { # NAME USER_ID, and the rest of a Containerfile on standard input
  local image work
  image=$(named "$1")
  if podman image exists "$image"; then return; fi
  work=$(mktemp -d)
  { printf 'FROM docker.io/library/python:3.11-slim\nRUN groupadd -g %s %s && useradd -u %s -g %s -d / -M %s\n' "$2" "$1" "$2" "$2" "$1"
    cat; } >"$work/Containerfile"
  cp tests/deploy/postgres_stand_in.sh "$work/"
  # Sources and keys are this machine's, seen by the build alone.
  podman build --quiet --network host --isolation chroot --volume /etc/apt:/machine/apt:ro --volume /etc/resolv.conf:/etc/resolv.conf:ro \
    --label loan-default.stand-in=true --tag "$image" "$work"
  rm -rf "$work"
}

install='RUN apt-get -o Dir::Etc=/machine/apt update -qq && \
    DEBIAN_FRONTEND=noninteractive apt-get -o Dir::Etc=/machine/apt install -y -qq --no-install-recommends'

build postgres 999 <<END
$install postgresql && rm -rf /var/lib/postgresql/15 && \\
    install -d -o 999 -g 999 -m 0700 /var/lib/postgresql/data && install -d -o 999 -g 999 -m 3777 /var/run/postgresql && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/
COPY postgres_stand_in.sh /usr/local/bin/
VOLUME /var/lib/postgresql/data
ENV PGDATA=/var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres_stand_in.sh"]
END

build redis 999 <<END
$install redis-server
END

build prometheus 64999 <<END
$install wget
RUN cd /tmp && apt-get -o Dir::Etc=/machine/apt update -qq && apt-get -o Dir::Etc=/machine/apt download -qq prometheus && \
    dpkg -x prometheus_*.deb x && mv x/usr/bin/* /usr/bin/ && rm -r x prometheus_*.deb && install -d -o 65534 -g 65534 /prometheus
VOLUME /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
END

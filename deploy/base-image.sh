#!/usr/bin/env bash
# Makes sure that the image all others start from, python:3.11-slim, is there:
#
#     deploy/base-image.sh podman
#
# It is pulled where a registry answers. Where none does, an image of the same name is made of Debian 12 by debootstrap,
# from the mirror that this machine's apt uses; that needs root. Such an image says so in its label loan-default.base.
set -euo pipefail

engine=${1:?usage: deploy/base-image.sh docker|podman}
image=docker.io/library/python:3.11-slim
release=bookworm # the Debian whose python3 is 3.11
pull_within_s=60

if "$engine" image inspect "$image" >/dev/null 2>&1; then
  exit 0
fi
echo "Fetching $image"
if timeout "$pull_within_s" "$engine" pull --quiet "$image" >/dev/null 2>&1; then
  exit 0
fi

echo "No registry answers: making $image of Debian's packages"
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
  echo "That needs root and debootstrap. Or load $image by hand: $engine load -i FILE" >&2
  exit 1
fi
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  awk -v release=$release '$2 == release && $3 == "main" { print $1; exit }')
if [ -z "$mirror" ]; then
  echo "apt on this machine knows no source of Debian $release to take them from." >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
debootstrap --variant=minbase --include=python3.11,python3-pip,ca-certificates $release "$root" "$mirror" >"$work/log" ||
  { tail -n 20 "$work/log" >&2; exit 1; }

# What has been mended since the release; the sources are this machine's, and do not stay.
apt-get indextargets --format 'deb $(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  awk -v release=$release 'index($3, release) == 1 && $4 == "main"' >"$root/etc/apt/sources.list"
cp /etc/resolv.conf "$root/etc/resolv.conf"
chroot "$root" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get upgrade -y -qq' >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; exit 1; }
rm "$root/etc/resolv.conf"
: >"$root/etc/apt/sources.list"

# As in the image that this one stands for: `python` is there, and pip may install for all.
ln -s /usr/bin/python3.11 "$root/usr/local/bin/python"
rm -f "$root"/usr/lib/python3.11/EXTERNALLY-MANAGED
# What a container never reads.
rm -rf "$root"/usr/share/{doc,man,locale,info}/* "$root"/var/{cache/apt,lib/apt/lists,log}/*
find "$root/usr/lib" -name __pycache__ -prune -exec rm -rf {} +

tar --directory "$root" --numeric-owner --one-file-system -c . |
  "$engine" import --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'CMD ["python3"]' --change 'LABEL loan-default.base=debootstrap' - "$image" >/dev/null

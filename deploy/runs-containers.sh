#!/usr/bin/env bash
# Whether this machine can build an image and run it hardened, tried with one that holds a single program:
#
#     deploy/runs-containers.sh docker|podman
#
# Sandboxes and CI machines often have the command and not the rights; the engine's message then says which.
set -euo pipefail

engine=${1:?usage: deploy/runs-containers.sh docker|podman}
command -v "$engine" >/dev/null || { echo "$engine is not installed." >&2; exit 1; }
name=loan-default-can-run-$$
work=$(mktemp -d)
trap 'rm -rf "$work"; "$engine" rmi --force "$name" >/dev/null 2>&1 || true' EXIT

# The program, and the libraries that it is linked to.
for file in /bin/true $(ldd /bin/true | grep -o '/[^ ]*'); do
  install -D "$(readlink -f "$file")" "$work/root$file"
done
printf 'FROM scratch\nCOPY root /\nRUN ["/bin/true"]\nUSER 1034:1034\nCMD ["/bin/true"]\n' >"$work/Containerfile"
options=()
[ "$engine" = docker ] || options=(--isolation=chroot --network=host)
timeout 120 "$engine" build --quiet "${options[@]}" --tag "$name" --file "$work/Containerfile" "$work" >/dev/null
files=$(ulimit -Hn)
[ "$files" != unlimited ] && [ "$files" -le 32768 ] || files=32768
processes=$(ulimit -Hu)
[ "$processes" != unlimited ] && [ "$processes" -le 32768 ] || processes=32768
timeout 60 "$engine" run --rm --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges --tmpfs=/tmp \
  --ulimit="nofile=$files:$files" --ulimit="nproc=$processes:$processes" "$name"

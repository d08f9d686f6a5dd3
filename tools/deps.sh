#!/bin/sh
# Installs the Debian packages of the named groups (tools/packages.txt) that are missing.
# Usage: tools/deps.sh GROUP...    As root, or with sudo.
set -eu
cd "$(dirname "$0")/.."

missing=
for group in "$@"; do
    packages=$(sed -n "s/^$group: //p" tools/packages.txt)
    [ -n "$packages" ] || { echo "tools/deps.sh: no group '$group' in tools/packages.txt" >&2; exit 2; }
    for package in $packages; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0
# One at a time, as apt would refuse a second; who waited looks again.
[ -n "${WEIR_DEPS_LOCKED:-}" ] || WEIR_DEPS_LOCKED=1 exec flock tools/packages.txt tools/deps.sh "$@"

sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "These packages are missing:$missing" >&2
        echo "Install them as root: apt-get install$missing" >&2
        exit 1
    }
    sudo=sudo
fi
echo "installing from Debian:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
    # RUNLEVEL=1 keeps packages with a service (nginx, haproxy) from starting it.
    $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1
}
# The package lists may be absent or old: on a failure renew them and try once more.
install || { $sudo apt-get update -q >"$log" 2>&1 && install; } || { cat "$log" >&2; exit 1; }

#!/bin/sh
# Builds, then runs what Meson knows (`make unit`) or the integration tests. Prints every count.
# Usage: tools/test.sh unit|integration BUILD
set -eu
cd "$(dirname "$0")/.."
build=$2
make --no-print-directory build BUILD="$build"
case $1 in
unit)
    meson test -C "$build" --no-rebuild --print-errorlogs --num-processes 2 --timeout-multiplier 4 \
        --suite unit --suite lint --suite sim --suite examples --suite seeds
    ;;
integration)
    WEIR_BUILD="$PWD/$build" ${PYTHON:-/usr/bin/python3} -m pytest -q tests/integration
    ;;
*)
    echo "usage: tools/test.sh unit|integration BUILD" >&2
    exit 2
    ;;
esac

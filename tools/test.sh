#!/bin/sh
# `make test`: builds, then runs what Meson knows and the integration tests. Prints every count.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
make --no-print-directory build BUILD="$build"
meson test -C "$build" --no-rebuild --print-errorlogs --num-processes 2 --suite unit --suite lint --suite sim \
    --suite examples --suite seeds
WEIR_BUILD="$PWD/$build" ${PYTHON:-/usr/bin/python3} -m pytest -q tests/integration

#!/bin/sh
# Unit tests, examples (and simulation) under a sanitizer. Usage: tools/sanitize.sh address|thread
set -eu
cd "$(dirname "$0")/.."
case $1 in
address)
    build=build-asan
    flags="-Db_sanitize=address,undefined"
    suites="--suite unit --suite sim --suite examples"
    ;;
thread)
    build=build-tsan
    flags="-Db_sanitize=thread"
    suites="--suite unit --suite examples"
    ;;
*)
    echo "usage: tools/sanitize.sh address|thread" >&2
    exit 2
    ;;
esac
make --no-print-directory build BUILD=$build MESON_FLAGS="--buildtype=debugoptimized -Db_lundef=false $flags"
# Stacks of coroutines are our own: use-after-return detection would move frames off them.
ASAN_OPTIONS=detect_stack_use_after_return=0:strict_string_checks=1 \
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
TSAN_OPTIONS=halt_on_error=1 \
    meson test -C $build --no-rebuild --print-errorlogs --num-processes 2 --timeout-multiplier 6 $suites

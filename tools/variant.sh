#!/bin/sh
# Unit tests (and more) built in another way: under sanitizers, valgrind, or by clang. Compiles only
# what these tests need. Usage: tools/variant.sh asan|tsan|valgrind|clang
set -eu
cd "$(dirname "$0")/.."
wrap=
sanitizer="--buildtype=debugoptimized -Db_lundef=false"
case $1 in
asan)
    flags="$sanitizer -Db_sanitize=address,undefined"
    suites="--suite unit --suite sim --suite examples"
    ;;
tsan)
    flags="$sanitizer -Db_sanitize=thread"
    suites="--suite unit --suite examples"
    ;;
valgrind) # a build of its own: others may be older than valgrind's header, and know no stacks then
    flags=
    wrap="valgrind -q --error-exitcode=9"
    suites="unit/runtime/scope unit/runtime/select unit/runtime/once unit/runtime/future"
    ;;
clang)
    flags="--native-file=tools/clang.ini"
    suites="--suite unit"
    ;;
*)
    echo "usage: tools/variant.sh asan|tsan|valgrind|clang" >&2
    exit 2
    ;;
esac
build=build-$1
make --no-print-directory "$build/build.ninja" BUILD="$build" MESON_FLAGS="$flags"
# Stacks of coroutines are our own: use-after-return detection would move frames off them.
ASAN_OPTIONS=detect_stack_use_after_return=0:strict_string_checks=1 \
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
TSAN_OPTIONS=halt_on_error=1 \
    meson test -C "$build" --print-errorlogs --num-processes 2 --timeout-multiplier 6 ${wrap:+"--wrap=$wrap"} \
    $suites

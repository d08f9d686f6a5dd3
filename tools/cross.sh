#!/bin/sh
# Builds base, world and runtime for aarch64 and runs their unit tests under qemu-user. (qemu-user
# does not show weak memory ordering: this checks the assembly and the build, not the fences.)
set -eu
cd "$(dirname "$0")/.."
[ -f build-aarch64/build.ninja ] ||
    meson setup build-aarch64 --cross-file tools/cross/aarch64.ini -Dsubset=true >build-aarch64.log 2>&1 || { cat build-aarch64.log; exit 1; }
rm -f build-aarch64.log
ninja -C build-aarch64 --quiet
meson test -C build-aarch64 --no-rebuild --print-errorlogs --timeout-multiplier 10 --suite unit

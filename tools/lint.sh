#!/bin/sh
# Static checks: formatting, the layer law, function length, clang-tidy, cppcheck. With "analyze",
# only the path-sensitive analyzer of clang, which takes twenty times as long as all of these.
set -eu
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

tidy() { # checks
    find src -name '*.c' | sort |
        xargs -P 2 -n 8 clang-tidy -p build --quiet --checks="$1" >"$log" 2>&1 || {
        grep -vE '^[0-9]+ warnings? (generated|treated)' "$log"
        exit 1
    }
}

make --no-print-directory build
if [ "${1:-}" = analyze ]; then
    tidy '-bugprone-*,-misc-*'
    echo "analyze: clean"
    exit
fi
echo "clang-format"
find src include tests bench examples tools -name '*.c' -o -name '*.h' |
    xargs clang-format --dry-run --Werror
echo "layers"
python3 tools/check_layers.py
echo "function length"
python3 tools/check_length.py
echo "clang-tidy"
tidy '-clang-analyzer-*'
echo "cppcheck"
cppcheck -j 2 --quiet --error-exitcode=1 --inline-suppr --std=c11 -D__GNUC__ -D__x86_64__ \
    --suppressions-list=tools/cppcheck.txt -Iinclude -Isrc src
echo "lint: clean"

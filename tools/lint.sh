#!/bin/sh
# Static checks: formatting, the layer law, function length, clang-tidy, cppcheck.
set -eu
cd "$(dirname "$0")/.."
files=$(find src include tests bench examples tools -name '*.c' -o -name '*.h')
echo "clang-format"
clang-format --dry-run --Werror $files
echo "layers"
python3 tools/check_layers.py
echo "function length"
python3 tools/check_length.py
make --no-print-directory build
sources=$(find src -name '*.c' | sort)
echo "clang-tidy"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf '%s\n' $sources | xargs -P 2 -n 8 clang-tidy -p build --quiet >"$log" 2>&1 || {
    grep -vE '^[0-9]+ warnings? (generated|treated)' "$log"
    exit 1
}
echo "cppcheck"
cppcheck -j 2 --quiet --error-exitcode=1 --inline-suppr --std=c11 -D__GNUC__ -D__x86_64__ \
    --suppressions-list=tools/cppcheck.txt -Iinclude -Isrc src
echo "lint: clean"

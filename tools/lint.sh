#!/bin/sh
# Static checks: formatting, the layer law, function length, clang-tidy, cppcheck.
set -eu
cd "$(dirname "$0")/.."
files=$(git ls-files 'src/*.c' 'src/*.h' 'include/*.h' 'tests/*.c' 'tests/*.h' 'bench/*.c' 'examples/*.c')
echo "clang-format"
clang-format --dry-run --Werror $files
echo "layers"
python3 tools/check_layers.py
echo "function length"
python3 tools/check_length.py
make --no-print-directory build
sources=$(git ls-files 'src/*.c')
echo "clang-tidy"
clang-tidy -p build --quiet --warnings-as-errors='*' $sources 2>/tmp/weir-tidy.$$ ||
    { cat /tmp/weir-tidy.$$; rm -f /tmp/weir-tidy.$$; exit 1; }
rm -f /tmp/weir-tidy.$$
echo "cppcheck"
cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -D__GNUC__ -D__x86_64__ \
    --suppressions-list=tools/cppcheck.txt -Iinclude -Isrc src
echo "lint: clean"

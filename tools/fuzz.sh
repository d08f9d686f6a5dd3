#!/bin/sh
# Runs each fuzzer on its kept corpus for a while. Usage: tools/fuzz.sh SECONDS
set -eu
cd "$(dirname "$0")/.."
seconds=$1
export CC=clang
make --no-print-directory deps
[ -f build-fuzz/build.ninja ] ||
    meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false >build-fuzz.log 2>&1 || { cat build-fuzz.log; exit 1; }
rm -f build-fuzz.log
ninja -C build-fuzz --quiet fuzzers # they need little of the rest
passed=0
for target in build-fuzz/tests/fuzz/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target")
    corpus=tests/fuzz/corpus/${name#fuzz_}
    dict=tests/fuzz/${name#fuzz_}.dict
    found=build-fuzz/found/$name
    mkdir -p "$found"
    dict_option=
    [ -f "$dict" ] && dict_option="-dict=$dict"
    echo "$name: $seconds s"
    "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$found/" $dict_option "$found" "$corpus" >"$found.log" 2>&1 || {
        tail -40 "$found.log"
        echo "$name: FAILED; the input is in $found"
        exit 1
    }
    grep -E 'stat::number_of_executed_units' "$found.log"
    passed=$((passed + 1))
done
echo "$passed fuzzers ran clean"
[ "$passed" -gt 0 ]

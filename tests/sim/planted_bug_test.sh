#!/usr/bin/env bash
# The test of the simulation: builds the gateway with a known bug in it, and expects the simulation
# to find it and the seed it prints to show the same failure again.
#
#     planted_bug_test.sh SOURCE_DIR [BUG]
set -euo pipefail

source_dir=$(cd "${1:?source directory}" && pwd)
bug=${2:-response_mixup}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

meson setup "$build" "$source_dir" -Ddebug=false -Dplanted_bug="$bug" >"$build.log" 2>&1 ||
    { cat "$build.log"; rm -f "$build.log"; exit 1; }
rm -f "$build.log"
ninja -C "$build" tests/sim/weir_sim >"$build/ninja.log" 2>&1 ||
    { cat "$build/ninja.log"; exit 1; }
sim=$build/tests/sim/weir_sim

# Batches, so that the first find ends the search.
found=
for first in $(seq 1 100 1901); do
    if ! "$sim" --seeds "$first" 100 >"$build/search" 2>&1; then
        found=$(grep -m1 '^seed [0-9]* FAILED' "$build/search") && break
        echo "the simulation ended without naming a seed:"; cat "$build/search"; exit 1
    fi
done
if [ -z "$found" ]; then
    echo "2000 seeds did not find the planted bug $bug"
    exit 1
fi
echo "found: $found"

seed=$(sed -E 's/^seed ([0-9]+) .*/\1/' <<<"$found")
if "$sim" --seed "$seed" >"$build/replay" 2>&1; then
    echo "seed $seed does not show it again"
    exit 1
fi
again=$(grep -m1 '^seed [0-9]* FAILED' "$build/replay")
if [ "$found" != "$again" ]; then
    printf 'the replay failed in another way:\n%s\n%s\n' "$found" "$again"
    exit 1
fi
echo "replayed: $again"

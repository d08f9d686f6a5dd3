#!/bin/sh
# `make explore`: every test that can be deterministic under many seeds, and the explorations of
# lock-free code. Two programs at a time. Usage: tools/explore.sh BUILD SEEDS [FIRST]
set -eu
cd "$(dirname "$0")/.."
build=$1
seeds=$2
first=${3:-1}
make --no-print-directory build BUILD="$build"
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# The explorations come with an exhaustive search of their own: a tenth of the seeds is enough there.
{
    for exe in "$build"/tests/unit/*/*_seeds_test; do echo "$exe $seeds"; done
    for exe in runq mandate park races bucket locks; do echo "$build/tests/explore/explore_$exe $((seeds / 10))"; done
} >"$logs/programs"
xargs -P 2 -L 1 sh -c '
    log=$1/$(basename "$2").log
    if timeout 900 "$2" --seeds "$3" "$4" >"$log" 2>&1; then
        echo ok >"$log.status"
    else
        echo failed >"$log.status"
    fi
    exit 0' sh "$logs" <<EOF2
$(while read -r exe count; do echo "$exe $first $count"; done <"$logs/programs")
EOF2

failed=0
passed=0
for status in "$logs"/*.status; do
    log=${status%.status}
    if [ "$(cat "$status")" = ok ]; then
        passed=$((passed + 1))
        grep -hE 'tests under|all there are' "$log" || true
    else
        failed=$((failed + 1))
        echo "--- $(basename "$log" .log) FAILED"
        tail -n 30 "$log"
    fi
done
echo "left out, because they need"
cat "$logs"/*.log | sed -nE 's/^\[ real  \] ([^:]*): (.*)/  \2: \1/p' | sort
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]

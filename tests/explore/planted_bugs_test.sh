#!/usr/bin/env bash
# The test of the exploration: builds the runtime with a known bug in it, one after the other, and
# expects each strategy to find it, and the schedule it prints to show the same failure again.
#
#     planted_bugs_test.sh SOURCE_DIR [BUG...]
set -euo pipefail

source_dir=$(cd "${1:?source directory}" && pwd)
shift
bugs=("$@")
if [ ${#bugs[@]} -eq 0 ]; then bugs=(lost_wakeup select_twice double_retake lost_last_reader); fi
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

program_for() { # bug
    case $1 in
    double_retake) echo explore_mandate ;;
    lost_last_reader) echo explore_locks ;;
    *) echo explore_races ;;
    esac
}

quietly() { # log, command...
    local log=$1
    shift
    "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }
}

# Runs a program that may abort, without the shell's comment; its words without addresses.
run() { # log, command...
    local log=$1 status=0
    shift
    sh -c '"$@"; exit $?' sh "$@" >"$log.raw" 2>&1 || status=$?
    sed -E 's/0x[0-9a-f]+/ADDRESS/g' "$log.raw" >"$log"
    return $status
}

find_and_replay() { # bug, exe, strategy
    local bug=$1 exe=$2 strategy=$3 case schedule
    if run "$build/search" "$exe" --strategy "$strategy" --seeds 1 10000; then
        echo "$bug: $strategy did not find it"
        return 1
    fi
    case=$(sed -n 's/^case //p' "$build/search" | tail -n 1)
    schedule=$(grep -oE 'WEIR_DEBUG=det=[^ ]*' "$build/search" | tail -n 1 | cut -d= -f2-)
    if [ -z "$schedule" ]; then
        echo "$bug: $strategy failed without naming a schedule"
        cat "$build/search"
        return 1
    fi
    for turn in 1 2; do
        if run "$build/replay$turn" "$exe" --schedule "$schedule,trace" "$case"; then
            echo "$bug: $schedule does not show it again"
            return 1
        fi
    done
    if ! cmp -s "$build/replay1" "$build/replay2"; then
        echo "$bug: two replays of $schedule differ"
        diff "$build/replay1" "$build/replay2" | head -n 20
        return 1
    fi
    echo "$bug: $strategy found it in $case: $schedule; replayed: $(grep -m1 -E 'EXPECT|ASSERT|deadlock' "$build/replay1")"
}

meson_setup() { # bug
    quietly "$build/setup.log" meson setup "$build/$1" "$source_dir" -Dsubset=true -Ddebug=false \
        -Dplanted_bug="$1"
}

failed=0
for bug in "${bugs[@]}"; do
    program=$(program_for "$bug")
    meson_setup "$bug"
    quietly "$build/ninja.log" ninja -C "$build/$bug" "tests/explore/$program"
    for strategy in chance priorities search; do
        find_and_replay "$bug" "$build/$bug/tests/explore/$program" "$strategy" || failed=1
    done
    if [ "$bug" = "${bugs[0]}" ]; then
        echo "the end of its interleaving:"
        grep -E '^ +[0-9]+ ' "$build/replay1" | tail -n 12
    fi
    rm -rf "${build:?}/$bug"
done
exit $failed

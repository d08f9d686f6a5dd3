#!/bin/sh
# The layer check accepts the tree as it is, and notices what it is there to notice.
set -eu
root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 "$root/tools/check_layers.py" "$root"

plant() { # file, line, text expected in the complaint
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree/tools"
    cp -r "$root/src" "$tmp/tree/src"
    cp "$root/tools/layers.txt" "$tmp/tree/tools/"
    printf '%s\n' "$2" >>"$tmp/tree/$1"
    if python3 "$root/tools/check_layers.py" "$tmp/tree" >"$tmp/out"; then
        echo "not noticed: $2 in $1"
        exit 1
    fi
    grep -q "$3" "$tmp/out" || { echo "wrong complaint for $2:"; cat "$tmp/out"; exit 1; }
}

plant src/base/text.c '#include "runtime/runtime.h"' 'base may not include from runtime'
plant src/http/message.c '#include "gateway/gateway.h"' 'http may not include from gateway'
plant src/policy/planted.c '#include "runtime/runtime.h"' 'policy may not include from runtime'
plant src/base/text.c '#include "text.h"' 'must name its layer'
plant src/gateway/planted.c 'static int f(void) { return socket(1, 2, 3); }' 'belongs to src/world'
plant src/policy/planted.c 'static long f(void) { return random(); }' 'belongs to src/world'
echo "layer check: 6 planted violations noticed"

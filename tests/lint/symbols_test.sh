#!/bin/sh
# libweir.so exports what include/weir declares, and nothing else.
set -eu
lib=$(readlink -f "$2")
cd "$1"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
nm -D --defined-only "$lib" | awk '{print $3}' | sed 's/@.*//' | sort >"$tmp/exported"
if grep -v '^weir_' "$tmp/exported"; then
    echo "these exported symbols do not begin with weir_"
    exit 1
fi
# Declarations marked WEIR_API (functions) and WEIR_API_DATA, joined over line ends.
cat include/weir/*.h | tr '\n' ' ' | grep -oE 'WEIR_API(_DATA)? [^;]*;' >"$tmp/declarations"
{
    grep 'WEIR_API ' "$tmp/declarations" | grep -oE 'weir_[a-z0-9_]+ *\('
    grep 'WEIR_API_DATA' "$tmp/declarations" | grep -oE 'weir_[a-z0-9_]+ *;'
} | tr -d ' (;' | sort -u >"$tmp/declared"
comm -13 "$tmp/exported" "$tmp/declared" >"$tmp/missing"
comm -23 "$tmp/exported" "$tmp/declared" >"$tmp/extra"
if [ -s "$tmp/missing" ]; then echo "declared, not exported:"; cat "$tmp/missing"; exit 1; fi
if [ -s "$tmp/extra" ]; then echo "exported, not declared:"; cat "$tmp/extra"; exit 1; fi
echo "$(wc -l <"$tmp/exported") symbols, all declared in include/weir"

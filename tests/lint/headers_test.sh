#!/bin/sh
# Every header compiles on its own; the public ones also as C++17 and in strict C11.
set -eu
cd "$1"
cc=${CC:-cc}
count=0

compile_cpp()
{
    printf '#include "%s"\n' "$1" |
        c++ -std=c++17 -Wall -Wextra -Werror -pedantic -I. -Iinclude -fsyntax-only -x c++ -
}
for h in $(find src -name '*.h' | sort); do
    # X-macro tables are no headers of their own.
    grep -q 'X-macro table: include with' "$h" && continue
    $cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Wno-unused-function -Werror \
        -Iinclude -Isrc -fsyntax-only -x c "$h"
    count=$((count + 1))
done
for h in include/weir/*.h; do
    printf '#include "%s"\nextern int one_declaration_at_least;\n' "$h" |
        $cc -std=c11 -Wall -Wextra -Werror -pedantic -I. -Iinclude -fsyntax-only -x c -
    if command -v c++ >/dev/null; then
        compile_cpp "$h"
    fi
    count=$((count + 1))
done
if command -v c++ >/dev/null; then
    compile_cpp include/weir/weir.hpp
fi
echo "$count headers compile alone"

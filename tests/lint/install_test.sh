#!/bin/sh
# What `make install` lays down is enough to build and run a program that uses libweir.
set -eu
cd "$(dirname "$0")/../.."
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
make --no-print-directory install BUILD=build-release DESTDIR="$root" MESON_FLAGS= >"$root/log" 2>&1 ||
    { cat "$root/log"; exit 1; }

pc=$(find "$root" -name libweir.pc)
lib=$(dirname "$(find "$root" -name libweir.so)")
for page in weir.1 libweir.3; do
    [ -n "$(find "$root" -name $page)" ] || { echo "no man page $page"; exit 1; }
done
cat >"$root/hello.c" <<'END'
#include <stdio.h>
#include <weir/weir.h>

static void say(void *arg)
{
    weir_chan_send(arg, &(int){42});
}

static int run(void *arg)
{
    struct weir_chan *c = weir_chan_new(sizeof(int), 0);
    int got = 0;

    weir_go("say", say, c);
    weir_chan_recv(c, &got);
    weir_chan_free(c);
    printf("got %d\n", got);
    return 0;
}

int main(void)
{
    return weir_main(run, NULL, NULL);
}
END
flags=$(PKG_CONFIG_SYSROOT_DIR="$root" PKG_CONFIG_PATH="$(dirname "$pc")" pkg-config --cflags --libs libweir)
cc -Wall -Werror -o "$root/hello" "$root/hello.c" $flags
[ "$(LD_LIBRARY_PATH="$lib" "$root/hello")" = "got 42" ]
"$(find "$root" -name weir -type f -perm -u+x)" version
# The examples, as their readers build them.
for name in bank errors worker_pool recover async_log tcp_echo hello_http; do
    cc -Wall -Wextra -Wno-unused-parameter -Werror -o "$root/$name" examples/$name.c $flags
    LD_LIBRARY_PATH="$lib" python3 examples/run_example.py examples/$name.c "$root/$name"
done
echo "installed program and examples built and ran"

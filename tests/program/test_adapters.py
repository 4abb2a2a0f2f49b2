# SPDX-License-Identifier: Apache-2.0
"""openassistant run and chat with adapters."""
import json
import os
import struct
import sys

from harness import Home, check, check_error, main, need_tiny, run


def pack(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def peft_folder(home, name, n_in, n_out, value, rank=2):
    """A PEFT folder with one pair, for the first layer's output projection."""
    folder = os.path.join(home.path, name)
    os.mkdir(folder)
    prefix = "base_model.model.model.layers.0.self_attn.o_proj.lora_"
    a, b = 4 * rank * n_in, 4 * rank * n_out
    header = json.dumps({
        prefix + "A.weight": {"dtype": "F32", "shape": [rank, n_in], "data_offsets": [0, a]},
        prefix + "B.weight": {"dtype": "F32", "shape": [n_out, rank], "data_offsets": [a, a + b]},
    }).encode()
    header += b" " * (-len(header) % 8)
    numbers = [value * ((i * 37 % 17) - 8) / 8 for i in range((a + b) // 4)]
    with open(os.path.join(folder, "adapter_model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(header)) + header)
        f.write(struct.pack(f"<{len(numbers)}f", *numbers))
    with open(os.path.join(folder, "adapter_config.json"), "w") as f:
        json.dump({"peft_type": "LORA", "r": rank, "lora_alpha": 4, "bias": "none"}, f)
    return folder


def answer(home, *args):
    r = run("run", "-m", need_tiny(), "--raw", "--json", "--temperature", "0", "-n", "12", *args,
            "Hello there", home=home)
    check(r.code == 0, r.err)
    return r.json()["tokens"]


def test_adapters_change_the_answer():
    with Home() as home:
        info = run("info", "--json", need_tiny(), home=home).json()
        d, d_q = info["d_model"], info["n_heads"] * info["d_head"]
        folder = peft_folder(home, "change", d_q, d, 3.0)
        plain = answer(home)
        changed = answer(home, "--adapter", folder)
        check(changed != plain, plain)
        check(answer(home, "--adapter", folder + "=0") == plain)
        check(answer(home, "--adapter", folder + "=1") == changed)
        check(answer(home, "--adapter", folder + "=2", "--adapter", folder + "=-2") != changed)
        script = "Hello\n"
        a = run("chat", "-m", need_tiny(), "--template", "plain", "--adapter", folder, "-n", "5",
                stdin=script, home=home)
        check(a.code == 0, a.err)


def test_merged_is_as_adapted():
    with Home() as home:
        info = run("info", "--json", need_tiny(), home=home).json()
        d, d_q = info["d_model"], info["n_heads"] * info["d_head"]
        folder = peft_folder(home, "change", d_q, d, 3.0)
        merged, again = home.file("merged.gguf"), home.file("again.gguf")
        r = run("merge", need_tiny(), merged, "--adapter", folder + "=0.5", "--type", "F32",
                home=home)
        check(r.code == 0, r.err)
        check(os.path.getsize(merged) > 0)
        for args in ((), ("-t", "1")):
            r = run("merge", "--json", need_tiny(), again, "--adapter", folder + "=0.5", "--type",
                    "F32", *args, home=home)
            check(r.code == 0 and r.json()["n_tensors"] > 0, r.err)
            with open(merged, "rb") as a, open(again, "rb") as b:
                check(a.read() == b.read())
        packed = home.file("packed.gguf")
        check(run("pack", need_tiny(), packed, home=home).code == 0)
        r = run("merge", packed, again, "--adapter", folder + "=0.5", "--type", "F32", home=home)
        check(r.code == 0, r.err)
        with open(merged, "rb") as a, open(again, "rb") as b:
            check(a.read() == b.read(), "merged into a packed file")
        text = home.file("text", "Hello there, this is a text to be read by both of them. " * 9)
        p = [run("perplexity", "-m", m, text, "--json", "--ctx", "64", home=home).json()
             for m in (need_tiny(), merged)]
        check(p[0]["perplexity"] != p[1]["perplexity"], p)
        check_error(run("merge", need_tiny(), merged, home=home), 2)
        wrong = peft_folder(home, "wrong", 7, 9, 1.0)
        check_error(run("merge", need_tiny(), again, "--adapter", wrong, home=home), 1)


def contents(folder):
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            found[name] = f.read()
    return found


def test_merge_keeps_its_inputs():
    with Home() as home:
        info = run("info", "--json", need_tiny(), home=home).json()
        d, d_q = info["d_model"], info["n_heads"] * info["d_head"]
        folder = peft_folder(home, "change", d_q, d, 3.0)
        before = contents(folder)
        os.symlink(folder, os.path.join(home.path, "link"))
        for out in ("change/adapter_model.safetensors", "link/adapter_config.json", "change"):
            r = run("merge", need_tiny(), os.path.join(home.path, out), "--adapter",
                    folder + "=0.5", home=home)
            check_error(r, 1)
            check("is the input" in r.err, r.err)
        check(contents(folder) == before and len(before) == 2, sorted(before))


def test_what_is_missing_is_named():
    with Home() as home:
        here = os.path.basename(need_tiny())
        os.symlink(need_tiny(), os.path.join(home.path, here))
        for args, want in ((["--adapter", "no-such-adapter", here, "out"], "no-such-adapter: "),
                           (["--adapter", here, "no-such-model", "out"], "'no-such-model'")):
            r = run("merge", *args, home=home, cwd=home.path)
            check_error(r, 1)
            check(want in r.err and "called '" + here not in r.err, r.err)
        r = run("convert", here, "no-such-folder/out", home=home, cwd=home.path)
        check_error(r, 1)
        check("no-such-folder/out" in r.err, r.err)


def test_a_wrong_rank_is_told():
    with Home() as home:
        info = run("info", "--json", need_tiny(), home=home).json()
        d, d_q = info["d_model"], info["n_heads"] * info["d_head"]
        folder = peft_folder(home, "change", d_q, d, 3.0)
        config = os.path.join(folder, "adapter_config.json")
        values = {"peft_type": "LORA", "r": 3, "lora_alpha": 4, "bias": "none"}
        for more, want in (({}, "rank 2, adapter_config.json says 3"),
                           ({"rank_pattern": {"o_proj": 4}}, "rank 2"),
                           ({"r": 0}, ": adapter_config.json: r is 0"),
                           ({"rank_pattern": {"o_proj": 2}}, None)):
            with open(config, "w", encoding="utf-8") as f:
                json.dump({**values, **more}, f)
            r = run("run", "-m", need_tiny(), "--raw", "-n", "1", "--adapter", folder, "Hello",
                    home=home)
            if want is None:
                check(r.code == 0, r.err)
            else:
                check_error(r, 1)
                check(want in r.err, r.err)


def test_what_is_refused():
    with Home() as home:
        tiny = need_tiny()
        r = run("run", "-m", tiny, "--raw", "--adapter", "/nowhere", "x", home=home)
        check_error(r, 1)
        check("/nowhere" in r.err, r.err)
        check_error(run("run", "-m", tiny, "--raw", "--adapter", "", "x", home=home), 2)
        wrong = peft_folder(home, "wrong", 7, 9, 1.0)
        r = run("run", "-m", tiny, "--raw", "--adapter", wrong, "x", home=home)
        check_error(r, 1)
        check("no pair" in r.err, r.err)
        with open(os.path.join(wrong, "adapter_config.json"), "w") as f:
            json.dump({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "use_dora": True}, f)
        r = run("run", "-m", tiny, "--raw", "--adapter", wrong, "x", home=home)
        check_error(r, 1)
        check("use_dora" in r.err, r.err)


if __name__ == "__main__":
    main(sys.modules[__name__])

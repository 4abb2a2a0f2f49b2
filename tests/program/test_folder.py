# SPDX-License-Identifier: Apache-2.0
"""Hugging Face folders and the GGUF files made of them, from end to end."""
import json
import os
import sys

from harness import Home, check, check_error, main, run

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "util"))
import hf_folder  # noqa: E402

GENERATE = ["--json", "--raw", "-n", "8", "--ignore-end", "--seed", "5"]


def test_every_verb_takes_a_folder():
    with Home() as home:
        folder = os.path.join(home.path, "tiny")
        hf_folder.write_folder(folder)
        info = run("info", "--json", folder, home=home).json()
        check(info["architecture"] == "llama" and info["name"] == "Tiny", info)
        check(info["n_vocab"] == hf_folder.VOCAB and info["type"] == "F32", info)
        tokenizer = os.path.join(folder, "tokenizer.json")
        with open(tokenizer, "a", encoding="utf-8") as f:
            f.write(" " * 20000)
        lines = run("info", "--metadata", folder, home=home).out.split("\n")
        check(max(len(line) for line in lines) < 17000, "a long line")
        check(any(f"... ({os.path.getsize(tokenizer)} bytes)" in line for line in lines), lines)
        meta = run("info", "--metadata", "--json", folder, home=home).json()["metadata"]
        check(len(meta["tokenizer.huggingface.json"]) == os.path.getsize(tokenizer))
        ids = run("tokenize", "-m", folder, "ab c", home=home).out.split()
        check([int(i) for i in ids] == [258, 32, 99], ids)
        r = run("run", "-m", folder, "--json", "-n", "4", "Hello", home=home)
        check(r.code == 0 and r.json()["n_prompt"] == 7, r.err, r.out)
        r = run("chat", "-m", folder, "-n", "4", stdin=b"Hello\n", home=home)
        check(r.code == 0, r.err)


def test_all_forms_of_a_model_answer_the_same():
    with Home() as home:
        one, three, gguf = (os.path.join(home.path, n) for n in ("one", "three", "one.gguf"))
        hf_folder.write_folder(one)
        hf_folder.write_folder(three, 3)
        check(run("convert", one, gguf, home=home).code == 0)
        answers = []
        for args in ([one], [three], [one + "/"], [one, "--no-mmap"], [gguf]):
            r = run("run", "-m", *args, *GENERATE, "Hello", home=home)
            check(r.code == 0, r.err)
            answers.append(r.json()["text"])
        check(len(set(answers)) == 1, answers)


def test_the_model_says_how_to_sample():
    with Home() as home:
        folder = os.path.join(home.path, "tiny")
        hf_folder.write_folder(folder)
        meant = run("run", "-m", folder, *GENERATE, "Hello", home=home).json()["text"]
        given = run("run", "-m", folder, *GENERATE, "--temperature", "0.25", "--top-k", "7",
                    "Hello", home=home).json()["text"]
        check(meant == given, meant, given)
        hf_folder.write_json(folder, "generation_config.json", {"eos_token_id": 256})
        usual = run("run", "-m", folder, *GENERATE, "Hello", home=home).json()["text"]
        other = run("run", "-m", folder, *GENERATE, "--temperature", "0.25", "--top-k", "7",
                    "Hello", home=home).json()["text"]
        check(other == meant and usual != meant, usual, other, meant)
        # What a sampler can't take is said, and not used.
        hf_folder.write_json(folder, "generation_config.json",
                             {"do_sample": True, "repetition_penalty": 0.001})
        r = run("run", "-m", folder, *GENERATE, "Hello", home=home)
        check(r.code == 0 and "general.sampling.penalty_repeat is not used" in r.err, r.err)
        check(r.json()["text"] == usual, r.out)


def test_broken_folders():
    with Home() as home:
        folder = os.path.join(home.path, "tiny")
        hf_folder.write_folder(folder, 2)
        path = os.path.join(folder, "config.json")
        with open(path, encoding="utf-8") as f:
            right = json.load(f)
        for change, word in (({"model_type": "t5"}, "t5"), ({"hidden_size": 0}, "hidden_size"),
                             ({"quantization_config": {"bits": 4}}, "quantization_config")):
            hf_folder.write_json(folder, "config.json", {**right, **change})
            for verb in (["info"], ["run", "-n", "1", "--raw", "x", "-m"], ["tokenize", "x", "-m"]):
                r = run(*verb, folder, home=home)
                check_error(r, 1)
                check(word in r.err and folder in r.err, r.err)
        hf_folder.write_json(folder, "config.json", right)
        os.unlink(os.path.join(folder, "model-00002-of-00002.safetensors"))
        r = run("run", "-m", folder, "--raw", "x", home=home)
        check_error(r, 1)
        check("model-00002-of-00002.safetensors, which is missing" in r.err, r.err)
        os.unlink(path)
        r = run("info", folder, home=home)
        check_error(r, 1)
        check("without config.json" in r.err, r.err)


def test_convert_writes_only_what_opens():
    with Home() as home:
        folder, out = os.path.join(home.path, "tiny"), os.path.join(home.path, "out.gguf")
        hf_folder.write_folder(folder, intermediate_size=hf_folder.FF + 1)
        for verb in (["convert"], ["quantize"]):
            r = run(*verb, folder, out, *(["Q8_0"] if verb == ["quantize"] else []), home=home)
            check_error(r, 1)
            check(f"want {hf_folder.WIDTH} x {hf_folder.FF + 1}" in r.err, r.err)
        check(os.listdir(home.path) == ["tiny"], os.listdir(home.path))


def test_the_file_of_a_wrong_value_is_named():
    with Home() as home:
        folder = os.path.join(home.path, "tiny")
        hf_folder.write_folder(folder)
        for name, value in (("generation_config.json", {"do_sample": True, "temperature": -1}),
                            ("config.json", {"model_type": "llama", "hidden_size": 0})):
            hf_folder.write_json(folder, name, value)
            r = run("info", folder, home=home)
            check_error(r, 1)
            check(f"{folder}: {name}: " in r.err, r.err)


if __name__ == "__main__":
    main(sys.modules[__name__])

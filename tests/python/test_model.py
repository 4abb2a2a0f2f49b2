# SPDX-License-Identifier: Apache-2.0
"""Models from Python: what they are, text to tokens and back, templates, callbacks, errors."""

import tempfile
import threading
import unittest
from pathlib import Path

from common import TINY

import openassistant as oa
from openassistant import Message, Model


class Opening(unittest.TestCase):
    def test_info(self):
        with Model(TINY) as model:
            info = model.info
            self.assertEqual(info.architecture, "llama")
            self.assertEqual(info.path, str(TINY))
            self.assertEqual(info.file_size, TINY.stat().st_size)
            self.assertGreater(info.n_vocab, 256)
            self.assertIsInstance(info.add_bos, bool)
            meta = model.metadata
            self.assertEqual(meta["general.architecture"], "llama")
            self.assertIn("tokenizer.ggml.tokens", meta)
            self.assertIn(str(TINY), repr(model))
        self.assertTrue(model.closed)
        self.assertEqual(repr(model), "<Model (closed)>")
        model.close()
        with self.assertRaises(oa.InvalidArgumentError):
            model.tokenize("x")

    def test_options(self):
        with Model(TINY, threads=1, mmap=False, cpu="c") as model:
            self.assertEqual(model.info.n_threads, 1)
            self.assertEqual(model.info.cpu, "c")
        with Model(str(TINY), vocab_only=True) as model:
            self.assertTrue(model.tokenize("abc"))
            with self.assertRaises(oa.InvalidArgumentError):
                model.session()
        for bad in ({"cpu": "z80"}, {"log_level": "loud"}, {"threads": -1}, {"threads": 2**32},
                    {"memory_limit": -1}):
            with self.assertRaises(ValueError):
                Model(TINY, **bad)
        with self.assertRaises(TypeError):
            Model(TINY, threads=1.5)

    def test_errors(self):
        with self.assertRaises(oa.NotFoundError) as caught:
            Model("/nowhere/model.gguf")
        self.assertEqual(caught.exception.code, -3)
        self.assertTrue(caught.exception.text)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "broken.gguf"
            path.write_bytes(TINY.read_bytes()[:5000])
            with self.assertRaises(oa.FormatError):
                Model(path)
            path.write_bytes(b"no model at all")
            with self.assertRaises(oa.FormatError):
                Model(path)
        with self.assertRaises(oa.InvalidArgumentError):
            Model("a\0b")
        with self.assertRaises(oa.OutOfMemoryError) as caught:
            Model(TINY, memory_limit=1000)
        self.assertIsInstance(caught.exception, MemoryError)

    def test_memory_estimate(self):
        small = Model.estimate_memory(TINY, n_ctx=64)
        large = Model.estimate_memory(TINY, n_ctx=128, kv_type="f32")
        self.assertEqual(small.weights_size, large.weights_size)
        self.assertEqual(small.cache_size * 4, large.cache_size)
        least = Model.estimate_memory(TINY, n_ctx=64, kv_type="q8")
        self.assertEqual(least.cache_size * 32, small.cache_size * 17)
        self.assertGreaterEqual(
            small.total_size, small.weights_size + small.cache_size + small.work_size
        )
        for bad in ({"kv_type": "q1"}, {"n_ctx": -1}):
            with self.assertRaises(ValueError):
                Model.estimate_memory(TINY, **bad)
        with self.assertRaises(oa.NotFoundError):
            Model.estimate_memory("/nowhere")

    def test_find(self):
        self.assertTrue(Model.find().endswith("openassistant/models"))
        with self.assertRaises(oa.NotFoundError):
            Model.find("no-such-model-anywhere")

    def test_build_info(self):
        self.assertTrue(oa.build_info().startswith(oa.__version__))


class Callbacks(unittest.TestCase):
    def test_log(self):
        lines = []
        with Model(TINY, log=lambda level, line: lines.append((level, line)), log_level="trace"):
            pass
        for level, line in lines:
            self.assertIn(level, ("error", "warn", "info", "debug", "trace"))
            self.assertNotIn("\n", line)

    def test_progress(self):
        calls = []
        with Model(TINY, progress=lambda *args: calls.append(args)):
            pass
        self.assertTrue(calls)
        for what, done, total in calls:
            self.assertIsInstance(what, str)
            self.assertTrue(total == 0 or done <= total)

    def test_cancel(self):
        with self.assertRaises(oa.CancelledError):
            Model(TINY, progress=lambda what, done, total: True)

    def test_exception(self):
        class Mine(Exception):
            pass

        def fail(what, done, total):
            raise Mine("from the callback")

        with self.assertRaisesRegex(Mine, "from the callback"):
            Model(TINY, progress=fail)
        Model(TINY).close()  # nothing of it is left behind


class Text(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = Model(TINY)

    @classmethod
    def tearDownClass(cls):
        cls.model.close()

    def test_round_trip(self):
        for text in ("", "the answer", "a\0b", "ünï 😀 \n\t", "x" * 5000, "<|im_end|>"):
            ids = self.model.tokenize(text, bos=False, eos=False)
            self.assertEqual(self.model.detokenize(ids), text)
            self.assertEqual(self.model.tokenize(text.encode(), bos=False, eos=False), ids)

    def test_invalid_text(self):
        ids = self.model.tokenize(b"a\xffb")
        self.assertEqual(self.model.detokenize(ids), "a\ufffdb")
        self.assertTrue(self.model.tokenize("\ud800"))

    def test_special(self):
        plain = self.model.tokenize("<|im_end|>")
        special = self.model.tokenize("<|im_end|>", special=True)
        self.assertGreater(len(plain), len(special))
        end = special[-1]
        self.assertEqual(self.model.detokenize([end]), "")
        self.assertEqual(self.model.detokenize([end], special=True), "<|im_end|>")
        self.assertTrue(self.model.is_end(end))
        self.assertFalse(self.model.is_end(2**40))
        self.assertFalse(self.model.is_end(-1))

    def test_part_of_a_character(self):
        ids = self.model.tokenize("😀")
        self.assertGreater(len(ids), 1)
        self.assertEqual(self.model.detokenize(ids[:1]), "\ufffd")
        self.assertEqual(b"".join(self.model.detokenize_bytes([i]) for i in ids),
                         "😀".encode())

    def test_bad_ids(self):
        for id in (-1, 10**6, 2**31, -(2**31), 2**80):
            with self.assertRaises(oa.InvalidArgumentError):
                self.model.detokenize([id])

    def test_chat_template(self):
        messages = [
            Message("system", "Be kind."),
            {"role": "user", "content": "Why is the sky blue? ü <|im_end|>"},
            ("assistant", ""),
        ]
        text = self.model.render_chat(messages, add_generation_prompt=True)
        self.assertEqual(
            text,
            "<|im_start|>system\nBe kind.<|im_end|>\n"
            "<|im_start|>user\nWhy is the sky blue? ü <|im_end|><|im_end|>\n"
            "<|im_start|>assistant\n<|im_end|>\n<|im_start|>assistant\n",
        )
        ids = self.model.tokenize_chat(messages, add_generation_prompt=True)
        end = self.model.tokenize("<|im_end|>", special=True)[0]
        self.assertEqual(ids.count(end), 3)  # the one in the message is only text
        self.assertEqual(self.model.detokenize(ids, special=True), text)
        self.assertEqual(self.model.render_chat([]), "")

    def test_cut_chat(self):
        messages = [("system", "s"), ("user", "one"), ("assistant", "two"), ("user", "three " * 9)]
        whole = self.model.tokenize_chat(messages)
        cut = self.model.cut_chat(messages, len(whole))
        self.assertEqual((cut.ids, cut.n_ids, cut.n_cut), (whole, len(whole), 0))
        cut = self.model.cut_chat(messages, len(whole) - 1)
        self.assertLess(len(cut.ids), len(whole))
        self.assertEqual(cut.ids[-20:], whole[-20:])
        self.assertEqual(cut.n_cut, len(whole) - len(cut.ids) + cut.n_added)
        self.assertEqual((cut.n_messages, cut.n_partial), (0, 1))
        with self.assertRaises(oa.UnsupportedError):
            self.model.cut_chat(messages, 20, template="plain")
        with self.assertRaises(ValueError):
            self.model.cut_chat(messages, 0)

    def test_other_templates(self):
        messages = [("user", "hi")]
        self.assertIn("hi", self.model.render_chat(messages, template="zephyr"))
        text = self.model.render_chat(
            messages,
            template_text="{{ word }}{{ messages[0]['content'] }}{{ n + 1 }}",
            variables={"word": "ö", "n": 1},
        )
        self.assertEqual(text, "öhi2")
        with self.assertRaises(oa.TemplateError) as caught:
            self.model.render_chat(messages, template_text="a\n{{ raise_exception('no') }}")
        self.assertIn("no", caught.exception.text)
        with self.assertRaises(oa.TemplateError):
            self.model.tokenize_chat(messages, template_text="{% for %}")
        with self.assertRaises(oa.OpenAssistantError):
            self.model.render_chat(messages, template="no such template")

    def test_threads(self):
        """One model, many threads; closed in the middle, each call works or says it is closed."""
        model = Model(TINY)
        text = "the air scatters the light of the sun " * 20
        want = model.tokenize(text)
        wrong = []

        def work():
            try:
                while True:
                    if model.tokenize(text) != want:
                        wrong.append("ids")
            except oa.InvalidArgumentError as error:
                if "closed" not in error.text:
                    wrong.append(error)
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        threads[0].join(0.3)
        model.close()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

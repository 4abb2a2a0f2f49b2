# SPDX-License-Identifier: Apache-2.0
"""Chats from Python: answers, streams, branches, files. The tiny model talks nonsense, the same
nonsense each time."""

import json
import tempfile
import threading
import unittest
from pathlib import Path

from common import TINY

import openassistant as oa
from openassistant import Chat, Message, Model


class Chats(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = Model(TINY)

    @classmethod
    def tearDownClass(cls):
        cls.model.close()

    def chat(self, **options):
        options = {"max_tokens": 12, "temperature": 0, **options}
        return self.model.chat(**options)

    def test_say_and_stream_agree(self):
        with self.chat() as a, self.chat() as b:
            answer = a.say("Why is the sky blue?")
            self.assertIn(answer.result.finish, ("length", "end"))
            self.assertGreater(answer.result.n_prompt, 0)
            stream = b.stream("Why is the sky blue?")
            self.assertEqual(len(b), 0)
            self.assertEqual("".join(stream), answer)
            self.assertEqual(stream.result.n_tokens, answer.result.n_tokens)
            self.assertEqual(a.messages, b.messages)
            self.assertEqual(a.messages[0], Message("user", "Why is the sky blue?"))
            self.assertEqual(a.messages[1].role, "assistant")
            self.assertEqual(a.messages[1].content, answer)
            self.assertEqual((len(a), bool(a)), (2, True))
            self.assertEqual(a.result, answer.result)

    def test_no_answer_yet(self):
        with self.chat() as chat:
            self.assertIsNone(chat.result)
            self.assertEqual(chat.messages, [])
            self.assertTrue(chat)
            with self.assertRaises(oa.InvalidArgumentError):
                chat.regenerate()
            with self.assertRaises(oa.InvalidArgumentError):
                chat.back(1)
            with self.assertRaises(oa.InvalidArgumentError):
                chat.select(0, 0)
            with self.assertRaises(oa.InvalidArgumentError):
                chat.say("a\0b")

    def test_sampler(self):
        with self.chat(temperature=0.3, seed=5) as chat:
            self.assertEqual(chat.sampler["temperature"], 0.3)
            chat.sampler["temperature"] = 0.4
            chat.sampler.update(top_k=7)
            self.assertEqual((chat.sampler["temperature"], chat.sampler["top_k"]), (0.4, 7))
            chat.sampler.close()
            chat.sampler["top_k"] = 8
            with chat.sampler.fork() as other:
                self.assertEqual(other["top_k"], 8)
            sampler = chat.sampler
            with chat.stream("hi") as stream:
                next(stream)
                with self.assertRaises(oa.BusyError):
                    sampler["top_k"] = 9
        with self.assertRaises(oa.InvalidArgumentError):
            sampler["top_k"] = 9
        with self.assertRaises(oa.NotFoundError):
            self.chat(temprature=1)

    def test_branches(self):
        with self.chat(temperature=1.5, seed=1) as chat:
            first = chat.say("one")
            second = chat.regenerate()
            third = chat.stream_regenerate().read()
            self.assertEqual(chat.branches(1), (3, 2))
            chat.select(1, 0)
            self.assertEqual(chat.messages[1].content, first)
            chat.select(1, 1)
            self.assertEqual(chat.messages[1].content, second)
            chat.edit(0, "two")
            self.assertEqual(chat.branches(0), (2, 1))
            self.assertEqual(chat.messages[0].content, "two")
            chat.stream_edit(0, "three").read()
            self.assertEqual(chat.branches(0), (3, 2))
            chat.select(0, 0)
            self.assertIn(chat.messages[1].content, (first, second, third))
            chat.back(0)
            self.assertEqual((len(chat), chat.branches(0)), (0, (3, 3)))

    def test_cancel(self):
        with self.chat(max_tokens=0) as chat:
            with chat.stream("go on") as stream:
                text = next(stream) + next(stream)
                with self.assertRaises(oa.BusyError):
                    chat.messages
            self.assertEqual(stream.result.finish, "cancelled")
            self.assertEqual(chat.messages[1].content, text)
            pieces = []

            def two(piece):
                pieces.append(piece)
                return len(pieces) == 2

            answer = chat.say("go on", on_text=two)
            self.assertEqual(answer, "".join(pieces))
            self.assertEqual(answer.result.finish, "cancelled")

            def fail(piece):
                raise ZeroDivisionError("mine")

            with self.assertRaisesRegex(ZeroDivisionError, "mine"):
                chat.say("once more", on_text=fail)
            with self.assertRaisesRegex(ZeroDivisionError, "mine"):
                chat.regenerate(on_text=fail)

    def test_cancel_while_reading(self):
        stop = [True]
        with self.chat(progress=lambda *args: stop[0], sharing=False) as chat:
            with self.assertRaises(oa.CancelledError):
                chat.say("hello")
            self.assertEqual(len(chat), 0)
            stop[0] = False
            chat.say("hello")
            self.assertEqual(len(chat), 2)

    def test_full(self):
        long_text = "the air scatters the light " * 40
        with self.chat(n_ctx=64) as chat:
            with self.assertRaises(oa.ContextFullError):
                chat.say(long_text)
            self.assertEqual(len(chat), 0)
        with self.chat(n_ctx=128, drop_oldest=True, max_tokens=4) as chat:
            n_dropped = 0
            for _ in range(8):
                n_dropped += chat.say("the air scatters the light").result.n_dropped
            self.assertGreater(n_dropped, 0)
            self.assertEqual(len(chat), 16)

    def test_cut(self):
        with self.chat(n_ctx=128, cut_oldest=True, max_tokens=4, system="Be kind.") as chat:
            results = [chat.say("the air scatters the light").result for _ in range(8)]
            self.assertEqual(results[0].n_cut, 0)
            self.assertGreater(results[-1].n_cut, 0)
            self.assertGreater(results[-1].n_dropped, 0)
            self.assertLessEqual(results[-1].n_prompt, 124)
        with self.chat(cut_oldest=True, max_prompt=40, max_tokens=4) as chat:
            self.assertLessEqual(chat.say("the air scatters the light " * 9).result.n_prompt, 40)
        with self.assertRaises(oa.InvalidArgumentError):
            self.chat(cut_oldest=True, drop_oldest=True)

    def test_system_and_template(self):
        with self.chat(system="Be kind.", template="chatml") as chat:
            n = chat.say("hi").result.n_prompt
        with self.chat(template="chatml") as chat:
            self.assertLess(chat.say("hi").result.n_prompt, n)
            chat.back(0)
            chat.set_system("Be kind.")
            self.assertEqual(chat.say("hi").result.n_prompt, n)
            chat.set_system(None)
        with self.chat(template_text="{{ raise_exception('no') }}") as chat:
            with self.assertRaises(oa.TemplateError):
                chat.say("hi")

    def test_save(self):
        with tempfile.TemporaryDirectory() as folder, self.chat(system="ü") as chat:
            path = Path(folder) / "chat.json"
            chat.say("hello")
            chat.regenerate()
            chat.save(path)
            json.loads(path.read_text())
            with Chat.open_saved(self.model, path, temperature=0, max_tokens=12) as other:
                self.assertEqual(other.messages, chat.messages)
                self.assertEqual(other.branches(1), chat.branches(1))
                self.assertEqual(other.say("and then?"), chat.say("and then?"))
            path.write_text("{")
            with self.assertRaises(oa.FormatError):
                Chat.open_saved(self.model, path)
            with self.assertRaises(oa.NotFoundError):
                Chat.open_saved(self.model, Path(folder) / "nothing")

    def test_threads(self):
        with self.chat() as chat:
            want = chat.say("Why is the sky blue?")
        answers = [None] * 4

        def work(i):
            with self.chat() as chat:
                answers[i] = chat.stream("Why is the sky blue?").read()

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(answers, [want] * 4)

    def test_closed(self):
        chat = self.chat()
        chat.close()
        chat.close()
        for use in (lambda: chat.say("x"), lambda: chat.messages, lambda: len(chat),
                    lambda: chat.sampler["top_k"], lambda: next(chat.stream("x"))):
            with self.assertRaises(oa.InvalidArgumentError):
                use()

# SPDX-License-Identifier: Apache-2.0
"""A real conversation with the default model: stream, stop, go on, in threads."""

import threading
import unittest

from common import default_model

import openassistant as oa
from openassistant import Model


class SmolLM2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = Model(default_model())

    @classmethod
    def tearDownClass(cls):
        cls.model.close()

    def test_an_answer_in_pieces(self):
        with self.model.chat(temperature=0, max_tokens=40) as chat:
            pieces = list(chat.stream("Why is the sky blue?"))
            answer = "".join(pieces)
            self.assertIn("sky", answer)
            self.assertGreater(len(pieces), 4)
            self.assertTrue(all(pieces))
            self.assertEqual(chat.messages[-1].content, answer)
            self.assertEqual(str(chat.regenerate()), answer)

    def test_stop_and_go_on(self):
        with self.model.chat(temperature=0, max_tokens=60) as chat:
            with chat.stream("Count from one to twenty.") as stream:
                text = next(stream) + next(stream) + next(stream)
            self.assertEqual(chat.messages[-1].content, text)
            answer = chat.say("What is the capital of France? Answer in one sentence.")
            self.assertTrue(answer)
            self.assertGreater(answer.result.n_reused, 0)

    def test_characters_stay_whole(self):
        with self.model.session() as session:
            text = "Some emoji: 😀 😃 😄 😁 😆 😅 🤣 😂 🙂 🙃 😉 😊 😇"
            session.append(self.model.tokenize(text))
            pieces = list(session.stream(max_tokens=24, ignore_end=True))
            for piece in pieces:
                piece.encode("utf-8")  # no half of anything
            n = len(self.model.tokenize(text))
            self.assertEqual("".join(pieces).rstrip("\ufffd"),
                             self.model.detokenize(session.ids[n:]).rstrip("\ufffd"))

    def test_threads(self):
        answers = [None] * 3

        def work(i):
            with self.model.chat(temperature=0, max_tokens=12) as chat:
                answers[i] = chat.stream("Name a colour.").read()

        threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertTrue(answers[0])
        self.assertEqual(answers, [answers[0]] * 3)

    def test_errors(self):
        with self.model.chat(n_ctx=40) as chat:
            with self.assertRaises(oa.ContextFullError):
                chat.say("word " * 100)
        with self.assertRaises(oa.OutOfMemoryError):
            Model(default_model(), memory_limit=50_000_000)

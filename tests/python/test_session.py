# SPDX-License-Identifier: Apache-2.0
"""Sessions from Python: steps, text, streams and their end, callbacks, logits, files."""

import gc
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from common import TINY, needs_numpy, numpy

import openassistant as oa
from openassistant import Model, Sampler, Session, Step, step_many

PROMPT = "The library opens a model"


class WithModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = Model(TINY)
        cls.ids = cls.model.tokenize(PROMPT)

    @classmethod
    def tearDownClass(cls):
        cls.model.close()

    def session(self, **options):
        session = self.model.session(**options)
        session.append(self.ids)
        return session


class Sequence(WithModel):
    def test_steps(self):
        with self.session() as a, self.session(kv_type="f16", n_batch=2, sharing=False) as b:
            self.assertEqual(len(a), len(self.ids))
            self.assertEqual(a.ids, self.ids)
            ids = [a.step() for _ in range(20)]
            self.assertEqual(ids, [b.step() for _ in range(20)])
            self.assertEqual(a.ids, self.ids + ids)
            a.truncate(len(self.ids))
            self.assertEqual(a.ids, self.ids)
            self.assertEqual(ids, [a.step() for _ in range(20)])
            self.assertEqual(a.set_ids(self.ids), len(self.ids))
            self.assertEqual(a.set_ids([]), 0)
            self.assertEqual((len(a), a.ids, bool(a)), (0, [], True))

    def test_guessing_changes_nothing(self):
        ways = ({}, {"n_draft": 0}, {"n_draft": 3}, {"draft": self.model, "n_draft": 4})
        answers = []
        for options in ways:
            with self.session(**options) as a:
                answers.append(a.generate(max_tokens=60, ignore_end=True))
        self.assertEqual(len(set(answers)), 1)
        self.assertEqual(answers[1].result.n_drafted, 0)
        for answer in answers:
            self.assertLessEqual(answer.result.n_accepted, answer.result.n_drafted)

    def test_sampler(self):
        with self.session() as a, Sampler(seed=4, temperature=1.5) as sampler:
            first = [a.step(sampler) for _ in range(20)]
            a.truncate(len(self.ids))
            sampler.reset()
            self.assertEqual(first, [a.step(sampler) for _ in range(20)])

    def test_fork(self):
        with self.session() as a:
            with a.fork() as b:
                self.assertEqual(b.ids, self.ids)
                self.assertEqual([a.step() for _ in range(8)], [b.step() for _ in range(8)])
                a.close()
                b.step()

    def test_order_of_closing(self):
        model = Model(TINY)
        session = model.session()
        model.close()
        session.append(self.ids)
        session.step()
        session.close()
        session.close()
        self.assertTrue(session.closed)
        with self.assertRaises(oa.InvalidArgumentError):
            session.step()

    def test_refused(self):
        with self.model.session() as session:
            with self.assertRaises(oa.InvalidArgumentError):
                session.step()
            for ids in ([-1], [10**6], [2**31]):
                with self.assertRaises(oa.InvalidArgumentError):
                    session.append(ids)
            self.assertEqual(len(session), 0)
            for n in (1, -1, 2**70):
                with self.assertRaises(oa.InvalidArgumentError):
                    session.truncate(n)
            for options in ({"max_tokens": -1}, {"max_tokens": 2**32}, {"stop": "a\0"}):
                with self.assertRaises(oa.InvalidArgumentError):
                    session.generate(**options)
        for options in ({"kv_type": "f64"}, {"n_ctx": -1}, {"n_batch": 2**33}, {"n_draft": -1}):
            with self.assertRaises(ValueError):
                self.model.session(**options)

    def test_full(self):
        with self.session(n_ctx=len(self.ids) + 5) as session:
            with self.assertRaises(oa.ContextFullError) as caught:
                session.generate(ignore_end=True)
            self.assertEqual(caught.exception.name, "OA_EFULL")
            self.assertEqual(caught.exception.result.finish, "full")
            with self.assertRaises(oa.ContextFullError):
                session.append(self.ids)
        with self.session(n_ctx=len(self.ids) + 5) as session:
            stream = session.stream(ignore_end=True)
            with self.assertRaises(oa.ContextFullError):
                for _ in stream:
                    pass
            self.assertEqual(stream.result.finish, "full")
            self.assertRaises(StopIteration, next, stream)

    def test_save(self):
        with tempfile.TemporaryDirectory() as folder, self.session() as a:
            path = Path(folder) / "session"
            a.step()
            a.save(path)
            with Session.open_saved(self.model, path) as b:
                self.assertEqual(a.ids, b.ids)
                self.assertEqual([a.step() for _ in range(8)], [b.step() for _ in range(8)])
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
            with self.assertRaises(oa.FormatError):
                Session.open_saved(self.model, path)
            with self.assertRaises(oa.NotFoundError):
                Session.open_saved(self.model, Path(folder) / "nothing")
            with self.assertRaises(oa.OpenAssistantError):
                a.save(Path(folder) / "no" / "folder")

    def test_step_many(self):
        prompts = [self.model.tokenize(t) for t in ("The answer", "why", "Then the person asks")]
        alone = []
        for ids in prompts:
            with self.model.session(sharing=False) as s, Sampler(seed=1) as sampler:
                s.append(ids)
                alone.append([s.step(sampler) for _ in range(6)])
        sessions = [self.model.session(sharing=False) for _ in prompts]
        samplers = [Sampler(seed=1) for _ in prompts]
        steps = [Step(s, p, ids) for s, p, ids in zip(sessions, samplers, prompts)]
        rounds = []
        for _ in range(6):
            rounds.append(step_many(steps))
            for step in steps:
                step.ids = ()
        self.assertEqual([list(ids) for ids in zip(*rounds)], alone)
        steps[1].ids = [10**6]
        ids = step_many(steps)
        self.assertIsNone(ids[1])
        self.assertIsInstance(steps[1].error, oa.InvalidArgumentError)
        self.assertIsNotNone(ids[0])
        self.assertIsNone(steps[0].error)
        with self.assertRaises(oa.InvalidArgumentError):
            step_many([Step(sessions[0]), Step(sessions[0])])
        with self.assertRaises(oa.InvalidArgumentError):
            empty = self.model.session()
            other = Model(TINY)
            step_many([Step(empty, ids=[1]), Step(other.session(), ids=[1])])
        self.assertEqual(step_many([]), [])


class Text(WithModel):
    def test_generate_and_stream_agree(self):
        with self.session() as session:
            answer = session.generate(max_tokens=30, ignore_end=True)
            self.assertIsInstance(answer, str)
            self.assertEqual(answer.result.finish, "length")
            self.assertEqual(answer.result.n_tokens, 30)
            ids = session.ids
            session.truncate(len(self.ids))
            stream = session.stream(max_tokens=30, ignore_end=True)
            self.assertIsNone(stream.result)
            pieces = list(stream)
            self.assertGreater(len(pieces), 5)
            self.assertEqual("".join(pieces), answer)
            self.assertEqual(session.ids, ids)
            self.assertEqual(stream.result.n_tokens, 30)
            session.truncate(len(self.ids))
            read = session.stream(max_tokens=30, ignore_end=True).read()
            self.assertEqual(read, answer)
            self.assertEqual(read.result.finish, "length")

    def test_stop(self):
        with self.session() as session:
            answer = str(session.generate(max_tokens=40, ignore_end=True))
            stop = answer[5:8]
            for stops in (stop, [stop, "never in there"]):
                session.truncate(len(self.ids))
                with session.stream(max_tokens=40, ignore_end=True, stop=stops) as stream:
                    self.assertEqual("".join(stream), answer[: answer.index(stop)])
                self.assertEqual(stream.result.finish, "stop")

    def test_on_text(self):
        with self.session() as session:
            pieces = []

            def three(piece):
                pieces.append(piece)
                return len(pieces) == 3

            answer = session.generate(max_tokens=40, ignore_end=True, on_text=three)
            self.assertEqual(len(pieces), 3)
            self.assertEqual(answer, "".join(pieces))
            self.assertEqual(answer.result.finish, "cancelled")

    def test_exception_in_callback(self):
        def fail(piece):
            raise ZeroDivisionError("mine")

        with self.session() as session:
            with self.assertRaisesRegex(ZeroDivisionError, "mine"):
                session.generate(max_tokens=40, on_text=fail)
            session.step()  # the session goes on


class Streams(WithModel):
    def n_threads(self):
        return sum(t.name == "openassistant-stream" for t in threading.enumerate())

    def test_nothing_before_it_is_read(self):
        with self.session() as session:
            stream = session.stream(max_tokens=9)
            self.assertEqual(session.ids, self.ids)
            stream.close()
            self.assertEqual(list(stream), [])

    def test_generates_as_far_as_it_is_read(self):
        with self.session() as session:
            stream = session.stream(ignore_end=True)
            text = next(stream) + next(stream)
            time.sleep(0.05)
            with self.assertRaises(oa.BusyError):
                session.step()
            with self.assertRaises(oa.BusyError):
                next(session.stream())
            with self.assertRaises(oa.BusyError):
                session.close()
            stream.close()
            self.assertEqual(stream.result.finish, "cancelled")
            self.assertEqual(self.n_threads(), 0)
            self.assertEqual(self.model.detokenize(session.ids[len(self.ids) :]), text)
            self.assertEqual(list(stream), [])
            stream.close()
            session.step()

    def test_break(self):
        with self.session() as session:
            with session.stream(ignore_end=True) as stream:
                for i, _ in enumerate(stream):
                    if i == 3:
                        break
            session.step()

    def test_forgotten(self):
        session = self.session()
        stream = session.stream(ignore_end=True)
        next(stream)
        self.assertEqual(self.n_threads(), 1)
        del stream
        gc.collect()
        self.assertEqual(self.n_threads(), 0)
        session.step()
        stream = session.stream(ignore_end=True)
        next(stream)
        del session
        gc.collect()
        next(stream)
        del stream
        gc.collect()
        self.assertEqual(self.n_threads(), 0)

    def test_sampler_is_busy(self):
        with self.session() as session, Sampler(seed=1) as sampler:
            with session.stream(sampler, ignore_end=True) as stream:
                next(stream)
                with self.assertRaises(oa.BusyError):
                    sampler["top_k"] = 3
            sampler["top_k"] = 3

    def test_error_comes_out(self):
        with self.model.session() as session:
            with self.assertRaises(oa.InvalidArgumentError):
                next(session.stream())

    def test_many_at_once(self):
        """Streams of many sessions, read in turn and from many threads, give what one gives."""
        with self.session() as session:
            want = session.generate(max_tokens=20, ignore_end=True)
        sessions = [self.session() for _ in range(4)]
        streams = [s.stream(max_tokens=20, ignore_end=True) for s in sessions]
        texts = [""] * 4
        live = set(range(4))
        while live:
            for i in sorted(live):
                piece = next(streams[i], None)
                if piece is None:
                    live.remove(i)
                else:
                    texts[i] += piece
        self.assertEqual(texts, [want] * 4)
        for session in sessions:
            session.truncate(len(self.ids))
        results = [None] * 4

        def work(i):
            results[i] = sessions[i].stream(max_tokens=20, ignore_end=True).read()

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(results, [want] * 4)

    def run_script(self, script):
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
        return subprocess.run(
            [sys.executable, "-X", "dev", "-c", textwrap.dedent(script), str(TINY)],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    def test_exit_with_an_open_stream(self):
        done = self.run_script("""
            import sys, openassistant as oa
            model = oa.Model(sys.argv[1])
            session = model.session()
            session.append(model.tokenize("The"))
            stream = session.stream(ignore_end=True)
            next(stream)
            print("end", flush=True)
        """)
        self.assertEqual((done.returncode, done.stdout), (0, "end\n"))


class Interrupts(WithModel):
    def interrupt(self, seconds):
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        self.addCleanup(timer.join)

    def test_ctrl_c_in_a_stream(self):
        with self.session() as session:
            with self.assertRaises(KeyboardInterrupt):
                self.interrupt(0.2)
                while True:
                    for _ in session.stream(ignore_end=True, max_tokens=200):
                        pass
                    session.truncate(len(self.ids))
            session.truncate(1)
            session.step()

    def test_ctrl_c_in_a_prompt(self):
        n_ctx = self.model.info.n_ctx_train
        with self.model.session(sharing=False) as session:
            with self.assertRaises(KeyboardInterrupt):
                self.interrupt(0.2)
                while True:
                    session.append([5] * (n_ctx - 1))
                    session.truncate(0)
            session.truncate(0)
            session.append([5])
            session.step()


    def test_ctrl_c_anywhere(self):
        """Ctrl-C at 100 random moments: it always comes out, and the handles go on afterwards."""
        rng = random.Random(5)
        with self.session() as session, Sampler(seed=1) as sampler:
            for _ in range(100):
                with self.assertRaises(KeyboardInterrupt):
                    self.interrupt(rng.random() * 0.01)
                    while True:
                        session.step(sampler)
                        session.logits()
                        for _ in session.stream(sampler, max_tokens=2, ignore_end=True):
                            pass
                        session.fork().close()
                        session.truncate(len(self.ids))
                self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)
                session.truncate(len(self.ids))
                session.step(sampler)
        self.assertEqual(Streams.n_threads(self), 0)


class Progress(WithModel):
    def test_progress(self):
        calls = []
        with self.session(progress=lambda *args: calls.append(args), sharing=False):
            pass
        self.assertTrue(calls)
        self.assertEqual({type(c[0]) for c in calls}, {str})

    def test_cancel_leaves_the_session_as_it_was(self):
        stop = [True]
        with self.model.session(sharing=False, progress=lambda *a: stop[0]) as session:
            with self.assertRaises(oa.CancelledError):
                session.append(self.ids)
            self.assertEqual(len(session), 0)
            stop[0] = False
            session.append(self.ids)
            with session.fork() as other:
                stop[0] = True
                with self.assertRaises(oa.CancelledError):
                    other.append(self.ids)

    def test_exception(self):
        def fail(*args):
            raise ZeroDivisionError("mine")

        with self.model.session(sharing=False, progress=fail) as session:
            with self.assertRaisesRegex(ZeroDivisionError, "mine"):
                session.append(self.ids)
            with self.assertRaisesRegex(ZeroDivisionError, "mine"):
                session.append(self.ids)


class Logits(WithModel):
    def test_without_numpy(self):
        with mock.patch.dict(sys.modules, {"numpy": None}), self.session() as session:
            logits = session.logits()
            self.assertEqual((logits.format, len(logits)), ("f", self.model.info.n_vocab))
            best = max(range(len(logits)), key=lambda i: (logits[i], -i))
            with session.logits_view() as view:
                self.assertTrue(view.readonly)
                self.assertEqual(view.tolist(), logits.tolist())
                with self.assertRaises(oa.BusyError):
                    session.step()
            with Sampler(temperature=0) as sampler:
                self.assertEqual(sampler.pick(logits), best)
            self.assertEqual(session.step(), best)
            self.assertNotEqual(session.logits().tolist(), logits.tolist())
            session.truncate(0)
            rows = session.append_logits(self.ids)
            self.assertEqual(rows.shape, (len(self.ids), self.model.info.n_vocab))
            self.assertEqual(rows.tolist()[-1], logits.tolist())

    @needs_numpy
    def test_numpy(self):
        with self.session() as session:
            logits = session.logits()
            self.assertEqual((logits.dtype, logits.shape), ("float32", (self.model.info.n_vocab,)))
            with session.logits_view() as view:
                self.assertFalse(view.flags.writeable or view.flags.owndata)
                numpy.testing.assert_array_equal(view, logits)
            self.assertEqual(session.step(), int(logits.argmax()))
            logits[:] = 0  # its own memory
            session.truncate(0)
            rows = session.append_logits(self.ids)
            self.assertEqual(rows.shape, (len(self.ids), self.model.info.n_vocab))
            numpy.testing.assert_array_equal(rows[-1], session.logits())
        self.assertEqual(session.closed, True)
        self.assertEqual(float(logits.sum()), 0)

    def test_embed(self):
        with self.model.session() as session:
            vector = session.embed(self.ids)
            self.assertEqual((len(vector), session.ids), (self.model.info.d_model, self.ids))
            self.assertAlmostEqual(sum(float(x) ** 2 for x in vector), 1, 5)
            raw = session.embed(self.ids, normalize=False)
            self.assertNotEqual(raw.tolist(), vector.tolist())
            kinds = [session.embed(self.ids, pooling=p).tolist() for p in ("mean", "last", "cls")]
            self.assertEqual(kinds[0], vector.tolist())
            self.assertEqual(len({tuple(k) for k in kinds}), 3)
            with self.assertRaises(ValueError):
                session.embed(self.ids, pooling="best")
            with self.assertRaises(oa.InvalidArgumentError):
                session.embed([])
        many = self.model.embed([PROMPT, "x"], n_ctx=64)
        self.assertEqual(many[0].tolist(), vector.tolist())
        self.assertEqual(len(many), 2)
        with self.assertRaises(TypeError):
            self.model.embed(PROMPT)

    def test_empty(self):
        with self.model.session() as session:
            with self.assertRaises(oa.InvalidArgumentError):
                session.logits()

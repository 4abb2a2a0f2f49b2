# SPDX-License-Identifier: Apache-2.0
"""Generated text as an iterator, and what a generation did.

The library gives text to a callback while it generates. A stream runs that call in a thread of its
own and lets it go exactly as far as its text is asked for: while nobody asks, the thread waits
inside the callback. So what was generated is what was seen, and closing a stream ends the
generation there.
"""

import atexit
import threading
import weakref
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Callable, Iterator, Optional, Union

from . import _abi
from ._lib import Cancel, deferred

__all__ = ["Answer", "Result", "Stream"]

_FINISH = {
    number: name[len("OA_FINISH_") :].lower() for name, number in _abi.ENUMS["oa_finish"].items()
}


@dataclass(frozen=True)
class Result:
    """What a generation did.

    ``finish`` is why it ended: "end" (the model ended its answer), "stop" (a stop string),
    "length" (max_tokens), "cancelled", "full" (the context), or "none".
    """

    finish: str
    n_tokens: int
    n_prompt: int
    n_reused: int
    n_dropped: int
    prompt_ns: int
    generate_ns: int
    n_cut: int
    n_drafted: int
    n_accepted: int

    @classmethod
    def _of(cls, raw: Any) -> "Result":
        return cls(
            _FINISH.get(raw.finish, "none"),
            raw.n_tokens,
            raw.n_prompt,
            raw.n_reused,
            raw.n_dropped,
            raw.prompt_ns,
            raw.generate_ns,
            raw.n_cut,
            raw.n_drafted,
            raw.n_accepted,
        )


class Answer(str):
    """Generated text; ``result`` says how it ended."""

    result: Optional[Result]

    def __new__(cls, text: str, result: Optional[Result]) -> "Answer":
        self = super().__new__(cls, text)
        self.result = result
        return self


OnText = Callable[[str], Optional[bool]]


class _End:
    def __init__(self, result: Optional[Result], error: Optional[BaseException]) -> None:
        self.result = result
        self.error = error


class _Work:
    """What the thread and the stream share. The thread knows only this, so that a forgotten stream
    can be collected."""

    def __init__(self, run: Callable[[OnText], Result]) -> None:
        self.run = run
        self.cancel = Cancel()
        self.out: "SimpleQueue[Union[str, _End]]" = SimpleQueue()
        self.go = threading.Semaphore(0)
        self.end: Optional[_End] = None  # set before it is put into `out`

    def on_text(self, piece: str) -> bool:
        self.out.put(piece)
        self.go.acquire()
        return self.cancel.wanted

    def main(self) -> None:
        result: Optional[Result] = None
        error: Optional[BaseException] = None
        self.cancel.watch()
        try:
            result = self.run(self.on_text)
        except BaseException as caught:
            error = caught
        self.end = _End(result, error)
        self.out.put(self.end)


class Stream(Iterator[str]):
    """Pieces of text, whole characters each, as they are generated.

    Generating begins when the first piece is asked for, and callbacks run in another thread.
    ``result`` is there once the stream has ended. Close a stream that you do not read to its end,
    or use it in a ``with`` statement; until it has ended, what it generates from is busy.
    """

    def __init__(self, run: Callable[[OnText], Result]) -> None:
        self._work: Optional[_Work] = _Work(run)
        self._thread: Optional[threading.Thread] = None
        self.result: Optional[Result] = None

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> str:
        work = self._work
        if work is None:
            raise StopIteration
        try:
            if self._thread is None:
                with deferred():
                    thread = threading.Thread(
                        target=work.main, name="openassistant-stream", daemon=True
                    )
                    thread.start()
                    self._thread = thread
                    _open_streams.add(self)
            else:
                work.go.release()
            item = work.out.get()
        except BaseException:  # Ctrl-C, or no thread to be had
            self.close()
            raise
        if isinstance(item, str):
            return item
        self._end(item)
        if item.error is not None:
            raise item.error
        raise StopIteration

    def _end(self, end: _End) -> None:
        self._work = None
        self.result = end.result or getattr(end.error, "result", None)
        if self._thread is not None:
            self._thread.join()
        _open_streams.discard(self)

    def read(self) -> Answer:
        """All the text that is left."""
        text = "".join(self)
        return Answer(text, self.result)

    def close(self) -> None:
        """End the generation after the piece that was read last."""
        with deferred():
            work, self._work = self._work, None
            if work is None or self._thread is None:
                return
            work.cancel.wanted = True
            work.go.release()
            if self._thread is threading.current_thread():
                return  # collected as garbage inside its own callback
            while work.end is None:  # Ctrl-C may have lost what was taken from `out`
                work.out.get()
                work.go.release()
            self._end(work.end)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_work", None) is not None:
            self.close()


_open_streams: "weakref.WeakSet[Stream]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    # Before the interpreter stops its threads: one that waits in a callback would never end.
    for stream in list(_open_streams):
        stream.close()

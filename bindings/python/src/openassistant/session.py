# SPDX-License-Identifier: Apache-2.0
"""A session: one sequence of tokens and what the model has computed of it."""

import ctypes
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Iterator, List, Optional, Sequence, Union

from . import _abi
from .adapter import Adapters, set_adapters
from ._lib import (
    SIZE,
    U32,
    Handle,
    Progress,
    call,
    id_array,
    in_user,
    init,
    lib,
    new_handle,
    number,
    path_text,
    progress_fn,
    text_fn,
    z_text,
)
from .errors import OpenAssistantError, make_error
from .model import Model, Path, choice, kv_number
from .sampler import Sampler
from .stream import Answer, OnText, Result, Stream

__all__ = ["Session", "Step", "step_many"]

_GENERATE = _abi.ENUMS["oa_generate_flags"]
_FLAGS = _abi.ENUMS["oa_session_flags"]
_POOLINGS = {
    name[len("OA_POOL_") :].lower(): value for name, value in _abi.ENUMS["oa_pooling"].items()
}


def session_opts(
    n_ctx: int,
    kv_type: str,
    n_batch: int,
    sharing: bool,
    progress: Any,
    adapters: Adapters,
    draft: Optional[Model],
    n_draft: Optional[int],
) -> Any:
    opts = init(_abi.oa_session_opts)
    opts.flags = 0 if sharing else _FLAGS["OA_SESSION_NO_SHARING"]
    if n_draft == 0:
        opts.flags |= _FLAGS["OA_SESSION_NO_DRAFT"]
    opts.n_draft = number(n_draft or 0, U32, "n_draft")
    opts.n_ctx = number(n_ctx, U32, "n_ctx")
    opts.kv_type = kv_number(kv_type)
    opts.n_batch = number(n_batch, U32, "n_batch")
    opts.progress_fn = progress
    set_adapters(opts, adapters)
    return opts


def as_array(data: Any, rows: Optional[int] = None) -> Any:
    """A ctypes array of floats as a NumPy array over its memory; without NumPy a memoryview."""
    try:
        import numpy  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        view = memoryview(data).cast("B").cast("f")
        if rows is not None and rows > 0:
            view = view.cast("B").cast("f", (rows, len(data) // rows))
        return view
    array = numpy.frombuffer(data, dtype=numpy.float32)
    return array if rows is None else array.reshape(rows, -1)


@contextmanager
def using_sampler(sampler: Optional[Sampler]) -> Iterator[Optional[int]]:
    if sampler is None:
        yield None
    else:
        with sampler.using() as ptr:
            yield ptr


@contextmanager
def using_draft(opts: Any, draft: Optional[Model]) -> Iterator[None]:
    """The draft model in session options, while a session is made of them."""
    if draft is None:
        yield
    else:
        with draft.using() as ptr:
            opts.draft = ptr
            yield


class Session(Handle):
    """One sequence of tokens.

    ``n_ctx`` is the most tokens it can hold (0: what the model was trained for), ``kv_type`` "f16",
    "f32" or "q8", ``n_batch`` how many tokens are read in one pass (0: the library chooses).
    ``progress`` receives (what, done, total) while prompts are read, and cancels by returning True.
    ``adapters`` lists `Adapter` objects of the model, or pairs of one and a scale. ``draft`` is a
    smaller model of the same vocabulary that guesses tokens ahead, ``n_draft`` the most that are
    guessed (None: what pays; 0: none); the results are the same.
    A session belongs to one thread at a time: a second user gets `BusyError`.
    """

    _free = "oa_session_free"

    def __init__(
        self,
        model: Model,
        *,
        n_ctx: int = 0,
        kv_type: str = "f16",
        n_batch: int = 0,
        sharing: bool = True,
        progress: Optional[Progress] = None,
        adapters: Adapters = (),
        draft: Optional[Model] = None,
        n_draft: Optional[int] = None,
    ) -> None:
        self._prepare(model, progress)
        opts = session_opts(
            n_ctx, kv_type, n_batch, sharing, self._progress, adapters, draft, n_draft
        )
        with model.using() as ptr, using_draft(opts, draft):
            self._ptr = new_handle(self._free, lib.oa_session_new, ptr, ctypes.byref(opts))

    def _prepare(self, model: Model, progress: Optional[Progress]) -> None:
        Handle.__init__(self)
        self.model = model  # keeps the model's callbacks alive, too
        self._progress = progress_fn(progress)

    @classmethod
    def open_saved(
        cls,
        model: Model,
        path: Path,
        *,
        n_ctx: int = 0,
        n_batch: int = 0,
        sharing: bool = True,
        progress: Optional[Progress] = None,
        adapters: Adapters = (),
        draft: Optional[Model] = None,
        n_draft: Optional[int] = None,
    ) -> "Session":
        """A session from a file that `save` wrote, with the same model."""
        self = cls.__new__(cls)
        self._prepare(model, progress)
        opts = session_opts(
            n_ctx, "f16", n_batch, sharing, self._progress, adapters, draft, n_draft
        )
        with model.using() as ptr, using_draft(opts, draft):
            self._ptr = new_handle(
                self._free, lib.oa_session_open_saved, ptr, path_text(path), ctypes.byref(opts)
            )
        return self

    def fork(self) -> "Session":
        """A second session that continues from the same tokens, sharing memory."""
        other = type(self).__new__(type(self))
        Handle.__init__(other)
        # The C session keeps the progress callback of the one it came from.
        other.model, other._progress = self.model, self._progress
        with self.using() as ptr:
            other._ptr = new_handle(self._free, lib.oa_session_fork, ptr)
        return other

    def append(self, ids: Sequence[int]) -> None:
        """Add tokens at the end and compute them: all, or on failure none."""
        array = id_array(ids)
        with self.using() as ptr:
            call(lib.oa_session_append, ptr, array, len(array))

    def set_ids(self, ids: Sequence[int]) -> int:
        """Make the session hold exactly these tokens; returns how many had not to be computed."""
        array = id_array(ids)
        n_reused = ctypes.c_size_t()
        with self.using() as ptr:
            call(lib.oa_session_set_ids, ptr, array, len(array), ctypes.byref(n_reused))
        return n_reused.value

    def truncate(self, n_ids: int) -> None:
        """Keep the first tokens and forget the rest."""
        with self.using() as ptr:
            call(lib.oa_session_truncate, ptr, number(n_ids, SIZE, "n_ids"))

    def step(self, sampler: Optional[Sampler] = None) -> int:
        """Pick the next token and add it; without a sampler the most likely one."""
        id = ctypes.c_int32()
        with self.using() as ptr, using_sampler(sampler) as sampler_ptr:
            call(lib.oa_session_step, ptr, sampler_ptr, ctypes.byref(id))
        return id.value

    def _generate(self, sampler: Optional[Sampler], opts: Any, on_text: OnText) -> Result:
        raw = init(_abi.oa_generate_result)
        callback = text_fn(on_text)
        with self.using() as ptr, using_sampler(sampler) as sampler_ptr:
            try:
                call(
                    lib.oa_session_generate,
                    ptr,
                    sampler_ptr,
                    ctypes.byref(opts),
                    callback,
                    None,
                    ctypes.byref(raw),
                )
            except OpenAssistantError as error:
                error.result = Result._of(raw)
                raise
        return Result._of(raw)

    def generate(
        self,
        sampler: Optional[Sampler] = None,
        *,
        max_tokens: int = 0,
        stop: Union[str, Sequence[str]] = (),
        ignore_end: bool = False,
        special: bool = False,
        on_text: Optional[OnText] = None,
    ) -> Answer:
        """Generate text until something ends it, in the calling thread.

        ``on_text`` receives the pieces and ends the generation by returning True. ``stop`` are
        texts that end it and are left out, ``ignore_end`` goes on past end tokens, ``special``
        gives special tokens as text. The answer's ``result`` says how it went.
        """
        opts = _generate_opts(max_tokens, stop, ignore_end, special)
        pieces: List[str] = []

        def keep(piece: str) -> Optional[bool]:
            pieces.append(piece)
            return on_text(piece) if on_text is not None else None

        result = self._generate(sampler, opts, keep)
        return Answer("".join(pieces), result)

    def stream(
        self,
        sampler: Optional[Sampler] = None,
        *,
        max_tokens: int = 0,
        stop: Union[str, Sequence[str]] = (),
        ignore_end: bool = False,
        special: bool = False,
    ) -> Stream:
        """The same as an iterator over the pieces of text."""
        opts = _generate_opts(max_tokens, stop, ignore_end, special)
        return Stream(lambda on_text: self._generate(sampler, opts, on_text))

    @property
    def ids(self) -> List[int]:
        """The tokens of the sequence."""
        ids, n = ctypes.POINTER(ctypes.c_int32)(), ctypes.c_size_t()
        with self.using() as ptr:
            call(lib.oa_session_get_ids, ptr, ctypes.byref(ids), ctypes.byref(n))
            return ids[: n.value] if n.value else []

    def __len__(self) -> int:
        n = ctypes.c_size_t()
        with self.using() as ptr:
            call(lib.oa_session_get_ids, ptr, None, ctypes.byref(n))
        return n.value

    def __bool__(self) -> bool:
        return True  # an empty session is a session

    def _borrow_logits(self, ptr: int) -> Any:
        data, n = ctypes.POINTER(ctypes.c_float)(), ctypes.c_size_t()
        call(lib.oa_session_get_logits, ptr, ctypes.byref(data), ctypes.byref(n))
        return ctypes.cast(data, ctypes.POINTER(ctypes.c_float * n.value)).contents

    def logits(self) -> Any:
        """The logits after the last token, one per token of the vocabulary: a NumPy array of
        float32 with memory of its own, or without NumPy a memoryview."""
        with self.using() as ptr:
            borrowed = self._borrow_logits(ptr)
            return as_array(type(borrowed).from_buffer_copy(borrowed))

    @contextmanager
    def logits_view(self) -> Iterator[Any]:
        """The same without a copy, read only, for the time of a ``with`` statement, during which
        the session is busy. Keep nothing of it afterwards."""
        with self.using() as ptr:
            array = as_array(self._borrow_logits(ptr))
            if hasattr(array, "flags"):
                array.flags.writeable = False
            else:
                array = array.toreadonly()
            with in_user():
                yield array

    def append_logits(self, ids: Sequence[int]) -> Any:
        """Add tokens and return the logits after each of them, shape (n_ids, n_vocab)."""
        array = id_array(ids)
        n = len(array) * self.model.info.n_vocab
        data = (ctypes.c_float * n)()
        with self.using() as ptr:
            call(lib.oa_session_append_logits, ptr, array, len(array), data, n)
        return as_array(data, len(array))

    def embed(
        self,
        ids: Sequence[int],
        *,
        pooling: str = "mean",
        normalize: bool = True,
        n_first: Optional[int] = None,
    ) -> Any:
        """One vector of ``model.info.d_model`` floats for these tokens, which the session then
        holds in place of what it held. ``pooling`` is "mean", "last" or "cls"; ``n_first`` is that
        of `Model.tokenize_pair` for two texts."""
        array = id_array(ids)
        n = self.model.info.d_model
        data = (ctypes.c_float * n)()
        kind = choice(_POOLINGS, pooling, "pooling")
        flags = _abi.ENUMS["oa_embed_flags"]["OA_EMBED_NORMALIZE"] if normalize else 0
        with self.using() as ptr:
            call(
                lib.oa_session_embed_pair,
                ptr,
                array,
                len(array),
                len(array) if n_first is None else number(n_first, SIZE, "n_first"),
                kind,
                flags,
                data,
                n,
            )
        return as_array(data)

    def save(self, path: Path) -> None:
        """Write tokens and cache to a file, which appears when it is complete."""
        with self.using() as ptr:
            call(lib.oa_session_save, ptr, path_text(path))


def _generate_opts(
    max_tokens: int, stop: Union[str, Sequence[str]], ignore_end: bool, special: bool
) -> Any:
    opts = init(_abi.oa_generate_opts)
    opts.max_tokens = number(max_tokens, U32, "max_tokens")
    opts.flags = (_GENERATE["OA_GENERATE_IGNORE_END"] if ignore_end else 0) | (
        _GENERATE["OA_GENERATE_SPECIAL"] if special else 0
    )
    texts = [z_text(s, "stop") for s in ([stop] if isinstance(stop, str) else stop)]
    opts.stops = (ctypes.c_char_p * len(texts))(*texts)  # ctypes keeps it with opts
    opts.n_stops = len(texts)
    return opts


@dataclass
class Step:
    """One member of `step_many`: tokens to append, then a pick.

    Afterwards ``id`` is the token that was picked, or None and ``error`` says why.
    """

    session: Session
    sampler: Optional[Sampler] = None
    ids: Sequence[int] = ()
    id: Optional[int] = None
    error: Optional[OpenAssistantError] = None


def step_many(steps: Sequence[Step]) -> List[Optional[int]]:
    """One step of many sessions of one model, in shared passes; each gets what it would get alone.

    A member that fails does not stop the others: its ``error`` is set. Returns the ids.
    """
    array = (_abi.oa_step * len(steps))()
    with ExitStack() as stack:
        seen = set()
        for raw, step in zip(array, steps):
            if id(step.session) in seen:
                raise make_error(
                    _abi.ENUMS["oa_error"]["OA_EINVAL"], "a session is there twice"
                )
            seen.add(id(step.session))
            raw.session = stack.enter_context(step.session.using())
            if step.sampler is not None and id(step.sampler) not in seen:
                seen.add(id(step.sampler))
                stack.enter_context(step.sampler.using())
            raw.sampler = step.sampler._need() if step.sampler is not None else None
            ids = id_array(step.ids)
            raw.ids, raw.n_ids = ids, len(ids)
        call(lib.oa_session_step_many, array, len(array), ctypes.sizeof(_abi.oa_step))
    for raw, step in zip(array, steps):
        step.id = raw.id if raw.status >= 0 else None
        step.error = None
        if raw.status < 0:
            text = lib.oa_error_text(raw.status).decode()
            step.error = make_error(raw.status, text)
    return [step.id for step in steps]

# SPDX-License-Identifier: Apache-2.0
"""A chat: messages over a session, kept as a tree with branches."""

import ctypes
from typing import Any, Callable, List, Optional, Tuple

from . import _abi
from .adapter import Adapters
from ._lib import (
    SIZE,
    U32,
    Handle,
    Progress,
    call,
    init,
    lib,
    new_handle,
    number,
    opt_text,
    path_text,
    progress_fn,
    text_fn,
    z_text,
)
from .errors import NotFoundError, OpenAssistantError
from .model import Message, Model, Path
from .sampler import Sampler, Value
from .session import session_opts, using_draft
from .stream import Answer, OnText, Result, Stream

__all__ = ["Chat"]


class Chat(Handle):
    """A conversation with a model.

    ``system`` is the system text; ``template`` names a built-in chat template and
    ``template_text`` is Jinja text, instead of the model's own. ``max_tokens`` limits an answer (0:
    until it ends). With ``drop_oldest`` a conversation that does not fit the context loses its
    oldest turns, with ``cut_oldest`` its oldest tokens, and the result says how many; otherwise it
    is `ContextFullError`. ``max_prompt`` makes that happen earlier. ``n_ctx`` and the following
    are as for `Session`; other names are parameters of the sampler.
    """

    _free = "oa_chat_free"

    def __init__(
        self,
        model: Model,
        *,
        system: Optional[str] = None,
        template: Optional[str] = None,
        template_text: Optional[str] = None,
        max_tokens: int = 0,
        drop_oldest: bool = False,
        cut_oldest: bool = False,
        max_prompt: int = 0,
        n_ctx: int = 0,
        kv_type: str = "f16",
        n_batch: int = 0,
        sharing: bool = True,
        progress: Optional[Progress] = None,
        adapters: Adapters = (),
        draft: Optional[Model] = None,
        n_draft: Optional[int] = None,
        _path: Optional[Path] = None,
        **params: Value,
    ) -> None:
        super().__init__()
        self.model = model
        self._progress = progress_fn(progress)
        session = session_opts(
            n_ctx, kv_type, n_batch, sharing, self._progress, adapters, draft, n_draft
        )
        opts = init(_abi.oa_chat_opts)
        flags = _abi.ENUMS["oa_chat_flags"]
        if drop_oldest:
            opts.flags |= flags["OA_CHAT_DROP_OLDEST"]
        if cut_oldest:
            opts.flags |= flags["OA_CHAT_CUT_OLDEST"]
        opts.max_prompt = number(max_prompt, U32, "max_prompt")
        opts.max_tokens = number(max_tokens, U32, "max_tokens")
        opts.system = opt_text(system, "system")
        opts.template_name = opt_text(template, "template")
        opts.template_text = opt_text(template_text, "template_text")
        opts.session = ctypes.pointer(session)
        with model.using() as ptr, using_draft(session, draft):
            if _path is None:
                self._ptr = new_handle(self._free, lib.oa_chat_new, ptr, ctypes.byref(opts))
            else:
                self._ptr = new_handle(
                    self._free, lib.oa_chat_open_saved, ptr, path_text(_path), ctypes.byref(opts)
                )
        out = ctypes.c_void_p()
        call(lib.oa_chat_get_sampler, self._ptr, ctypes.byref(out))
        assert out.value is not None
        self._sampler_ptr = out.value
        if params:
            self.sampler.update(**params)

    @classmethod
    def open_saved(cls, model: Model, path: Path, **options: Any) -> "Chat":
        """A chat from a file that `save` wrote, with any model; options as for a new chat."""
        return cls(model, _path=path, **options)

    @property
    def sampler(self) -> Sampler:
        """The sampler that the chat answers with, to read and change its parameters. It belongs
        to the chat: while an answer is made it is busy, and it is closed with the chat."""
        return _ChatSampler(self)

    # --- answers ------------------------------------------------------------------------------

    def _answer(self, start: Callable[[int, Any], int], on_text: OnText) -> Result:
        callback = text_fn(on_text)
        with self.using() as ptr:
            try:
                call(start, ptr, callback)
            except OpenAssistantError as error:
                error.result = self._result(ptr)
                raise
            result = self._result(ptr)
        assert result is not None
        return result

    def _collect(self, start: Callable[[int, Any], int], on_text: Optional[OnText]) -> Answer:
        pieces: List[str] = []

        def keep(piece: str) -> Optional[bool]:
            pieces.append(piece)
            return on_text(piece) if on_text is not None else None

        result = self._answer(start, keep)
        return Answer("".join(pieces), result)

    def _stream(self, start: Callable[[int, Any], int]) -> Stream:
        return Stream(lambda on_text: self._answer(start, on_text))

    @staticmethod
    def _say(text: str) -> Callable[[int, Any], int]:
        data = z_text(text, "message")
        return lambda ptr, callback: lib.oa_chat_say(ptr, data, callback, None)

    @staticmethod
    def _again() -> Callable[[int, Any], int]:
        return lambda ptr, callback: lib.oa_chat_regenerate(ptr, callback, None)

    @staticmethod
    def _edit(index: int, text: str) -> Callable[[int, Any], int]:
        data = z_text(text, "message")
        at = number(index, SIZE, "index")
        return lambda ptr, callback: lib.oa_chat_edit(ptr, at, data, callback, None)

    def say(self, text: str, *, on_text: Optional[OnText] = None) -> Answer:
        """Say something and return the answer. ``on_text`` receives its pieces as they are made
        and ends it by returning True."""
        return self._collect(self._say(text), on_text)

    def stream(self, text: str) -> Stream:
        """Say something; the answer is an iterator over its pieces. A stream that is closed early
        leaves the answer so far as the assistant's message."""
        return self._stream(self._say(text))

    def regenerate(self, *, on_text: Optional[OnText] = None) -> Answer:
        """Make another answer to the latest user message, as a sibling branch."""
        return self._collect(self._again(), on_text)

    def stream_regenerate(self) -> Stream:
        """The same as an iterator."""
        return self._stream(self._again())

    def edit(self, index: int, text: str, *, on_text: Optional[OnText] = None) -> Answer:
        """Say something else in place of an earlier user message: a sibling branch, answered."""
        return self._collect(self._edit(index, text), on_text)

    def stream_edit(self, index: int, text: str) -> Stream:
        """The same as an iterator."""
        return self._stream(self._edit(index, text))

    # --- the tree -----------------------------------------------------------------------------

    def back(self, n_messages: int) -> None:
        """Shorten the current path to its first messages; the others stay in the tree."""
        with self.using() as ptr:
            call(lib.oa_chat_back, ptr, number(n_messages, SIZE, "n_messages"))

    def branches(self, index: int) -> Tuple[int, int]:
        """How many messages stand at a place of the current path, and which is current."""
        n, current = ctypes.c_size_t(), ctypes.c_size_t()
        with self.using() as ptr:
            call(
                lib.oa_chat_get_branches,
                ptr,
                number(index, SIZE, "index"),
                ctypes.byref(n),
                ctypes.byref(current),
            )
        return n.value, current.value

    def select(self, index: int, branch: int) -> None:
        """Make another branch current."""
        with self.using() as ptr:
            call(
                lib.oa_chat_select,
                ptr,
                number(index, SIZE, "index"),
                number(branch, SIZE, "branch"),
            )

    @property
    def messages(self) -> List[Message]:
        """The messages of the current path, without the system text."""
        n, raw = ctypes.c_size_t(), _abi.oa_message()
        result: List[Message] = []
        content = _abi.oa_message.content
        with self.using() as ptr:
            call(lib.oa_chat_get_count, ptr, ctypes.byref(n))
            for i in range(n.value):
                call(lib.oa_chat_get_message, ptr, i, ctypes.byref(raw), ctypes.sizeof(raw))
                address = ctypes.c_void_p.from_address(ctypes.addressof(raw) + content.offset)
                data = ctypes.string_at(address.value, raw.content_len) if address.value else b""
                result.append(
                    Message(raw.role.decode("utf-8", "replace"), data.decode("utf-8", "replace"))
                )
        return result

    def __len__(self) -> int:
        n = ctypes.c_size_t()
        with self.using() as ptr:
            call(lib.oa_chat_get_count, ptr, ctypes.byref(n))
        return n.value

    def __bool__(self) -> bool:
        return True  # an empty chat is a chat

    def set_system(self, system: Optional[str]) -> None:
        """Change the system text; it takes effect with the next answer."""
        with self.using() as ptr:
            call(lib.oa_chat_set_system, ptr, opt_text(system, "system"))

    def _result(self, ptr: int) -> Optional[Result]:
        raw = init(_abi.oa_generate_result)
        try:
            call(lib.oa_chat_get_result, ptr, ctypes.byref(raw))
        except NotFoundError:
            return None
        return Result._of(raw)

    @property
    def result(self) -> Optional[Result]:
        """How the latest answer went; None when there was none yet."""
        with self.using() as ptr:
            return self._result(ptr)

    def save(self, path: Path) -> None:
        """Write the whole tree to a JSON file, which appears when it is complete."""
        with self.using() as ptr:
            call(lib.oa_chat_save, ptr, path_text(path))


class _ChatSampler(Sampler):
    """A sampler that belongs to a chat, and is used under the chat's lock."""

    def __init__(self, chat: Chat) -> None:
        Handle.__init__(self)
        self._keep = chat
        self._owned = False
        self._ptr = chat._sampler_ptr
        self._lock = chat._lock

    def _need(self) -> int:
        chat: Chat = self._keep
        chat._need()
        return chat._sampler_ptr

    def close(self) -> None:
        """Nothing to free: the sampler belongs to the chat."""

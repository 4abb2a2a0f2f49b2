# SPDX-License-Identifier: Apache-2.0
"""A model: weights, vocabulary and chat template of one file."""

import ctypes
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from . import _abi
from ._lib import (
    U32,
    Handle,
    Progress,
    call,
    call_user,
    copy_bytes,
    copy_ids,
    deferred,
    id_array,
    init,
    keep_exception,
    lib,
    new_handle,
    number,
    opt_text,
    path_text,
    progress_fn,
    text as to_bytes,
    z_text,
)

if TYPE_CHECKING:
    from .chat import Chat
    from .session import Session

__all__ = ["CutChat", "MemoryEstimate", "Message", "Model", "ModelInfo", "Perplexity"]

_FLAGS = {**_abi.ENUMS["oa_model_flags"], **_abi.ENUMS["oa_tokenize_flags"]}
_LEVELS = {
    name[len("OA_LOG_") :].lower(): value for name, value in _abi.ENUMS["oa_log_level"].items()
}
_CPUS = {name[len("OA_CPU_") :].lower(): value for name, value in _abi.ENUMS["oa_cpu"].items()}
_KV_TYPES = {
    name[len("OA_KV_") :].lower(): value for name, value in _abi.ENUMS["oa_kv_type"].items()
}

Log = Callable[[str, str], None]
Path = Union[str, "os.PathLike[str]", bytes]


@dataclass(frozen=True)
class Message:
    """One message of a conversation; ``role`` is "system", "user", "assistant" or "tool"."""

    role: str
    content: str


Messages = Iterable[Union[Message, Mapping[str, str], Tuple[str, str]]]


@dataclass(frozen=True)
class CutChat:
    """A conversation as token ids, and what was left out of it: of ``n_ids`` tokens ``n_cut``,
    with ``n_messages`` messages as a whole and ``n_partial`` (0 or 1) but for its end; ``n_added``
    tokens that open a user's message were put in front of what is left."""

    ids: List[int]
    n_ids: int
    n_cut: int
    n_messages: int
    n_partial: int
    n_added: int


@dataclass(frozen=True)
class ModelInfo:
    """What a model is; the fields are those of ``oa_model_info``. An id of -1 means none."""

    path: str
    architecture: str
    name: str
    license: str
    type: str
    tokenizer: str
    chat_template: Optional[str]
    cpu: str
    n_params: int
    file_size: int
    weights_size: int
    n_layers: int
    d_model: int
    d_ff: int
    n_heads: int
    n_heads_kv: int
    d_head: int
    n_vocab: int
    n_ctx_train: int
    n_threads: int
    bos_id: int
    eos_id: int
    eot_id: int
    unk_id: int
    pad_id: int
    add_bos: bool
    add_eos: bool
    types: str
    n_ctx_short: int


@dataclass(frozen=True)
class MemoryEstimate:
    """What a model would need, in bytes."""

    weights_size: int
    cache_size: int
    work_size: int
    total_size: int


@dataclass(frozen=True)
class Perplexity:
    """How well a model predicts a text; the fields are those of ``oa_perplexity_result``."""

    perplexity: float
    perplexity_error: float
    nll: float
    nll_error: float
    n_scored: int
    n_tokens: int
    n_windows: int
    n_ctx: int
    stride: int


def choice(values: Mapping[str, int], name: str, what: str) -> int:
    if name not in values:
        raise ValueError(f"{what} is {name!r}, want one of {', '.join(values)}")
    return values[name]


def kv_number(name: str) -> int:
    return choice(_KV_TYPES, name, "kv_type")


def message_array(messages: Messages) -> Any:
    """Messages as an array of oa_message; ctypes keeps the texts alive with the array."""
    pairs: List[Tuple[bytes, bytes]] = []
    for m in messages:
        if isinstance(m, Message):
            role, content = m.role, m.content
        elif isinstance(m, Mapping):
            role, content = m["role"], m["content"]
        else:
            role, content = m
        pairs.append((z_text(role, "role"), to_bytes(content)))
    array = (_abi.oa_message * len(pairs))()
    for slot, pair in zip(array, pairs):
        slot.role, slot.content = pair
        slot.content_len = len(pair[1])
    return array


def _log_fn(log: Optional[Log]) -> Any:
    if log is None:
        return _abi.oa_log_fn()
    names = {value: name for name, value in _LEVELS.items()}

    def on_log(level: int, line: bytes, user: Optional[int]) -> None:
        try:
            call_user(log, names.get(level, "trace"), line.decode("utf-8", "replace"))
        except BaseException as error:
            keep_exception(error)

    return _abi.oa_log_fn(on_log)


class Model(Handle):
    """An open model. Any number of threads may use one at the same time.

    ``path`` is a GGUF file (of a split model the first), a Hugging Face folder, or the name of an
    installed model ("smollm2"). ``threads`` 0 means one
    per core, ``memory_limit`` (bytes, with all sessions and chats) 0 means none; ``cpu`` is "best",
    "c", "avx2", "avx512vnni", "neon" or "dotprod". ``log`` receives (level, line), ``progress``
    receives (what, done, total) and cancels by returning True. An exception in a callback is raised
    by the call that was running.
    """

    _free = "oa_model_free"

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 0,
        memory_limit: int = 0,
        cpu: str = "best",
        mmap: bool = True,
        vocab_only: bool = False,
        log: Optional[Log] = None,
        log_level: str = "default",
        progress: Optional[Progress] = None,
    ) -> None:
        super().__init__()
        self._n_users = 0
        self._log = _log_fn(log)
        opts = init(_abi.oa_model_opts)
        opts.flags = (0 if mmap else _FLAGS["OA_MODEL_NO_MMAP"]) | (
            _FLAGS["OA_MODEL_VOCAB_ONLY"] if vocab_only else 0
        )
        opts.n_threads = number(threads, U32, "threads")
        opts.memory_limit = number(memory_limit, 2**64 - 1, "memory_limit")
        opts.cpu = choice(_CPUS, cpu, "cpu")
        opts.log_level = choice(_LEVELS, log_level, "log_level")
        opts.log_fn = self._log
        opts.progress_fn = self._progress = progress_fn(progress)
        name = path_text(path)
        with deferred():
            self._ptr = new_handle(self._free, lib.oa_model_open, name, ctypes.byref(opts))

    # A model may be used by many threads, so it counts its users instead of refusing the second;
    # closed in the middle of a call, it is freed when the call ends.

    @contextmanager
    def using(self) -> Iterator[int]:
        with deferred():
            with self._lock:
                ptr = self._need()
                self._n_users += 1
            try:
                yield ptr
            finally:
                with self._lock:
                    self._n_users -= 1
                    free = self._ptr is None and self._n_users == 0
                if free:
                    lib.oa_model_free(ptr)

    def close(self) -> None:
        """Give up the model; sessions and chats of it live on."""
        with deferred():
            with self._lock:
                ptr, self._ptr = self._ptr, None
                free = ptr is not None and self._n_users == 0
            if free:
                lib.oa_model_free(ptr)

    def __repr__(self) -> str:
        return "<Model (closed)>" if self.closed else f"<Model {self.info.path!r}>"

    @property
    def info(self) -> ModelInfo:
        """What the model is."""
        raw = init(_abi.oa_model_info)
        with self.using() as ptr:
            call(lib.oa_model_get_info, ptr, ctypes.byref(raw))
            values: Dict[str, Any] = {}
            for field in fields(ModelInfo):
                value = getattr(raw, field.name)
                if isinstance(value, bytes):
                    value = value.decode("utf-8", "replace")
                values[field.name] = value
        for name in ("add_bos", "add_eos"):
            values[name] = bool(values[name])
        return ModelInfo(**values)

    @property
    def metadata(self) -> Dict[str, str]:
        """The metadata of the model file, as text, in the order of the file."""
        count, key = ctypes.c_size_t(), ctypes.c_char_p()
        result: Dict[str, str] = {}
        with self.using() as ptr:
            call(lib.oa_model_get_meta_count, ptr, ctypes.byref(count))
            for i in range(count.value):
                call(lib.oa_model_get_meta_key, ptr, i, ctypes.byref(key))
                assert key.value is not None
                value = copy_bytes(lib.oa_model_copy_meta, ptr, key.value)
                result[key.value.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        return result

    def tokenize(
        self, text: Union[str, bytes], *, special: bool = False, bos: bool = True, eos: bool = True
    ) -> List[int]:
        """Token ids of a text. With ``special``, text that spells a special token becomes it;
        ``bos`` and ``eos`` False keep out tokens that the model file wants at the ends."""
        flags = _FLAGS["OA_TOKENIZE_SPECIAL"] if special else 0
        flags |= 0 if bos else _FLAGS["OA_TOKENIZE_NO_BOS"]
        flags |= 0 if eos else _FLAGS["OA_TOKENIZE_NO_EOS"]
        data = to_bytes(text)
        with self.using() as ptr:
            return copy_ids(lib.oa_model_tokenize, len(data) // 2, ptr, data, len(data), flags)

    def tokenize_pair(
        self,
        first: Union[str, bytes],
        second: Union[str, bytes],
        *,
        special: bool = False,
    ) -> Tuple[List[int], int]:
        """Two texts as the ids of one, as classifiers of pairs want them, and how many of the ids
        are of the first segment."""
        flags = _FLAGS["OA_TOKENIZE_SPECIAL"] if special else 0
        texts = to_bytes(first), to_bytes(second)
        args = [part for data in texts for part in (data, len(data))]
        n_first = ctypes.c_size_t()
        n_ids = ctypes.c_size_t()
        with self.using() as ptr:
            call(
                lib.oa_model_tokenize_pair, ptr, *args, flags, None, 0, ctypes.byref(n_ids), None
            )
            ids = (ctypes.c_int32 * max(n_ids.value, 1))()
            call(
                lib.oa_model_tokenize_pair,
                ptr,
                *args,
                flags,
                ids,
                len(ids),
                ctypes.byref(n_ids),
                ctypes.byref(n_first),
            )
        return list(ids[: n_ids.value]), n_first.value

    def detokenize_bytes(self, ids: Sequence[int], *, special: bool = False) -> bytes:
        """What tokens spell; it may end inside a character."""
        flags = _abi.ENUMS["oa_detokenize_flags"]["OA_DETOKENIZE_SPECIAL"] if special else 0
        array = id_array(ids)
        with self.using() as ptr:
            return copy_bytes(lib.oa_model_detokenize, ptr, array, len(array), flags)

    def detokenize(self, ids: Sequence[int], *, special: bool = False) -> str:
        """What tokens spell, with U+FFFD for what is no character. ``special`` writes special
        tokens as their text instead of leaving them out."""
        return self.detokenize_bytes(ids, special=special).decode("utf-8", "replace")

    def is_end(self, id: int) -> bool:
        """Whether a token ends a generation."""
        with self.using() as ptr:
            return -1 < id < 2**31 and bool(lib.oa_model_is_end(ptr, id))

    @staticmethod
    def _render_opts(
        add_generation_prompt: bool,
        template: Optional[str],
        template_text: Optional[str],
        variables: Optional[Mapping[str, Any]],
    ) -> Any:
        opts = init(_abi.oa_render_opts)
        if add_generation_prompt:
            opts.flags = _abi.ENUMS["oa_render_flags"]["OA_RENDER_ADD_GENERATION_PROMPT"]
        opts.template_name = opt_text(template, "template")
        opts.template_text = opt_text(template_text, "template_text")
        if variables is not None:
            opts.variables_json = json.dumps(dict(variables)).encode()
        return opts

    def render_chat(
        self,
        messages: Messages,
        *,
        add_generation_prompt: bool = False,
        template: Optional[str] = None,
        template_text: Optional[str] = None,
        variables: Optional[Mapping[str, Any]] = None,
    ) -> str:
        """A conversation as the text the model was trained to continue. ``template`` names a
        built-in one, ``template_text`` is Jinja text; ``variables`` are given to it."""
        array = message_array(messages)
        opts = self._render_opts(add_generation_prompt, template, template_text, variables)
        with self.using() as ptr:
            return copy_bytes(
                lib.oa_model_render_chat,
                ptr,
                array,
                len(array),
                ctypes.sizeof(_abi.oa_message),
                ctypes.byref(opts),
            ).decode("utf-8", "replace")

    def tokenize_chat(
        self,
        messages: Messages,
        *,
        add_generation_prompt: bool = False,
        template: Optional[str] = None,
        template_text: Optional[str] = None,
        variables: Optional[Mapping[str, Any]] = None,
    ) -> List[int]:
        """A conversation as token ids. Special tokens come from the template only: text of a
        message that spells one is encoded letter by letter."""
        array = message_array(messages)
        opts = self._render_opts(add_generation_prompt, template, template_text, variables)
        with self.using() as ptr:
            return copy_ids(
                lib.oa_model_tokenize_chat,
                1024,
                ptr,
                array,
                len(array),
                ctypes.sizeof(_abi.oa_message),
                ctypes.byref(opts),
            )

    def cut_chat(
        self,
        messages: Messages,
        max_ids: int,
        *,
        add_generation_prompt: bool = False,
        template: Optional[str] = None,
        template_text: Optional[str] = None,
        variables: Optional[Mapping[str, Any]] = None,
    ) -> CutChat:
        """As `tokenize_chat`, and a conversation of more than ``max_ids`` tokens is cut as Open
        Assistant's workers do: what stands before the first message stays, then come the last
        tokens that fit."""
        array = message_array(messages)
        opts = self._render_opts(add_generation_prompt, template, template_text, variables)
        cut = init(_abi.oa_render_cut)
        opts.max_ids = number(max_ids, U32, "max_ids")
        if opts.max_ids == 0:
            raise ValueError("max_ids is 0")
        opts.cut = ctypes.pointer(cut)
        with self.using() as ptr:
            ids = copy_ids(
                lib.oa_model_tokenize_chat,
                1024,
                ptr,
                array,
                len(array),
                ctypes.sizeof(_abi.oa_message),
                ctypes.byref(opts),
            )
        return CutChat(ids, cut.n_ids, cut.n_cut, cut.n_messages, cut.n_partial, cut.n_added)

    def session(self, **options: Any) -> "Session":
        """``Session(self, ...)``."""
        from .session import Session

        return Session(self, **options)

    def chat(self, **options: Any) -> "Chat":
        """``Chat(self, ...)``."""
        from .chat import Chat

        return Chat(self, **options)

    def embed(
        self,
        texts: Iterable[Union[str, bytes, Tuple[Union[str, bytes], Union[str, bytes]]]],
        *,
        pooling: str = "mean",
        normalize: bool = True,
        **options: Any,
    ) -> List[Any]:
        """A vector for each text, or pair of two, as `Session.embed` makes them. Other names are
        those of `Session`."""
        if isinstance(texts, (str, bytes)):
            raise TypeError("texts is one text, want a list of them")
        with self.session(**{"sharing": False, **options}) as session:
            vectors = []
            for text in texts:
                if isinstance(text, (str, bytes)):
                    ids, n_first = self.tokenize(text), None
                else:
                    ids, n_first = self.tokenize_pair(*text)
                vectors.append(
                    session.embed(ids, pooling=pooling, normalize=normalize, n_first=n_first)
                )
            return vectors

    def perplexity(
        self,
        text: Union[str, bytes],
        *,
        n_ctx: int = 0,
        stride: int = 0,
        max_windows: int = 0,
        steps: bool = False,
        kv_type: str = "f16",
        progress: Optional[Progress] = None,
    ) -> "Perplexity":
        """How well the model predicts a text: windows of ``n_ctx`` tokens (0: 512) side by side,
        of which the second half is scored, or ``stride`` tokens apart. ``steps`` computes token by
        token, with the same result."""
        opts, raw = init(_abi.oa_perplexity_opts), init(_abi.oa_perplexity_result)
        if steps:
            opts.flags = _abi.ENUMS["oa_perplexity_flags"]["OA_PERPLEXITY_STEPS"]
        opts.n_ctx = number(n_ctx, U32, "n_ctx")
        opts.stride = number(stride, U32, "stride")
        opts.max_windows = number(max_windows, U32, "max_windows")
        opts.kv_type = kv_number(kv_type)
        opts.progress_fn = progress_fn(progress)
        data = to_bytes(text)
        with self.using() as ptr:
            call(
                lib.oa_eval_perplexity,
                ptr,
                data,
                len(data),
                ctypes.byref(opts),
                ctypes.byref(raw),
            )
        return Perplexity(**{f.name: getattr(raw, f.name) for f in fields(Perplexity)})

    @staticmethod
    def find(name: str = "") -> str:
        """The file that a model name stands for; without a name the models folder."""
        return os.fsdecode(copy_bytes(lib.oa_model_find, z_text(name, "name")))

    @staticmethod
    def estimate_memory(path: Path, *, n_ctx: int = 0, kv_type: str = "f16") -> MemoryEstimate:
        """How much memory a model would take, without loading it; ``n_ctx`` 0 is what it was
        trained for."""
        raw = init(_abi.oa_memory_estimate)
        call(
            lib.oa_model_estimate_memory,
            path_text(path),
            None,
            number(n_ctx, U32, "n_ctx"),
            kv_number(kv_type),
            ctypes.byref(raw),
        )
        return MemoryEstimate(raw.weights_size, raw.cache_size, raw.work_size, raw.total_size)

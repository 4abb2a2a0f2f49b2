# SPDX-License-Identifier: Apache-2.0
"""Finds and loads the shared library, and makes calls into it.

The library is looked for in this order: the file that the environment variable ``OA_LIBRARY``
names; the one inside this package; ``libopenassistant.so.0`` where the system looks.
"""

import ctypes
import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Sequence, Union

from . import _abi
from .errors import make_error

_E = _abi.ENUMS["oa_error"]
SONAME = "libopenassistant.so.0"


def _load() -> ctypes.CDLL:
    named = os.environ.get("OA_LIBRARY")
    inside = Path(__file__).parent / "lib" / SONAME
    path = named or (str(inside) if inside.exists() else SONAME)
    try:
        lib = ctypes.CDLL(path)
        lib.oa_version_number.restype = ctypes.c_uint32
        number = lib.oa_version_number()
    except (OSError, AttributeError) as error:
        raise ImportError(
            f"openassistant: can't load {path}: {error}. Set OA_LIBRARY to the path of "
            f"{SONAME}, or install a wheel that contains it."
        ) from None
    if number // 10000 != _abi.VERSION_NUMBER // 10000 or number < _abi.VERSION_NUMBER:
        raise ImportError(
            f"openassistant: {path} has version number {number}; this package wants "
            f"{_abi.VERSION_NUMBER} or later of the same major version"
        )
    for name, (restype, argtypes) in _abi.FUNCTIONS.items():
        function = getattr(lib, name, None)
        if function is None:
            raise ImportError(f"openassistant: {path} has no function {name}")
        function.restype = restype
        function.argtypes = argtypes
    return lib


lib = _load()

# --- calls ------------------------------------------------------------------------------------

# Callbacks run on the thread that made the call, so an exception in one waits here until that call
# returns, and is raised then.
_local = threading.local()


def keep_exception(error: BaseException) -> None:
    if getattr(_local, "error", None) is None:
        _local.error = error


def raise_pending() -> None:
    error = getattr(_local, "error", None)
    if error is not None:
        _local.error = None
        raise error


def call(function: Any, *args: Any) -> None:
    """Call a function that returns a code, and raise what went wrong."""
    code = function(*args)
    raise_pending()
    guard: Optional[deferred] = getattr(_local, "guard", None)
    if guard is not None and guard.hit:
        raise KeyboardInterrupt
    if code < 0:
        raise_code(code)


class deferred:
    """Ctrl-C waits while this is entered, and comes out as KeyboardInterrupt at its end.

    Python acts on a signal between any two instructions: an exception on the way from C into a
    callback would be lost, and one between taking a lock and entering the block that gives it
    back would leave it taken. So every use of a handle happens inside this. Callbacks see `hit`
    and end the work; inside a user's function Ctrl-C raises at once. Only Python's own handler is
    replaced, and only in the main thread.
    """

    def __init__(self) -> None:
        self.hit = False
        self.in_user = False
        self._active = False

    def _handle(self, number: int, frame: Any) -> None:
        self.hit = True
        if self.in_user:
            self.in_user = False
            raise KeyboardInterrupt

    def __enter__(self) -> "deferred":
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._handle)
            self._active = True
            _local.guard = self
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if self._active:
            _local.guard = None
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self.hit and not isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt from None


def call_user(function: Callable[..., Any], *args: Any) -> bool:
    """Call a user's function from a callback; True ends the work."""
    guard: Optional[deferred] = getattr(_local, "guard", None)
    if guard is None:
        return bool(function(*args))
    if guard.hit:
        return True
    try:
        guard.in_user = True
        ends = bool(function(*args))
    finally:
        guard.in_user = False
    return ends or guard.hit


@contextmanager
def in_user() -> Iterator[None]:
    """The block of a user's ``with`` statement: Ctrl-C raises at once."""
    guard: Optional[deferred] = getattr(_local, "guard", None)
    if guard is not None:
        guard.in_user = True
    try:
        yield
    finally:
        if guard is not None:
            guard.in_user = False


def _nothing(*args: Any) -> None:
    pass


def raise_code(code: int) -> None:
    raise make_error(code, lib.oa_error_last().decode("utf-8", "replace"))


def copy_bytes(function: Any, *args: Any) -> bytes:
    """Call a function that copies out through (buf, buf_size, len), with a buffer that fits."""
    size = 256
    length = ctypes.c_size_t()
    while True:
        buf = ctypes.create_string_buffer(size)
        code = function(*args, buf, size, ctypes.byref(length))
        raise_pending()
        if code >= 0:
            return buf.raw[: length.value]
        if code != _E["OA_ELIMIT"] or length.value < size:
            raise_code(code)
        size = length.value + 1


def copy_ids(function: Any, guess: int, *args: Any) -> List[int]:
    """The same for token ids; `guess` is how many there may be."""
    size = max(guess, 16)
    length = ctypes.c_size_t()
    while True:
        buf = (ctypes.c_int32 * size)()
        code = function(*args, buf, size, ctypes.byref(length))
        raise_pending()
        if code >= 0:
            return buf[: length.value]
        if code != _E["OA_ELIMIT"] or length.value <= size:
            raise_code(code)
        size = length.value


# --- arguments --------------------------------------------------------------------------------


def init(struct: Any) -> Any:
    """A struct with its size set and everything else zero."""
    value = struct()
    value.size = ctypes.sizeof(struct)
    return value


def text(value: Union[str, bytes]) -> bytes:
    """UTF-8. Lone surrogates become what the library makes of invalid bytes."""
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


def z_text(value: Union[str, bytes], what: str) -> bytes:
    """UTF-8 for a parameter that ends with a NUL."""
    data = text(value)
    if b"\0" in data:
        raise make_error(_E["OA_EINVAL"], f"{what} contains a NUL character")
    return data


def opt_text(value: Union[str, bytes, None], what: str) -> Optional[bytes]:
    return None if value is None else z_text(value, what)


def path_text(path: Union[str, "os.PathLike[str]", bytes]) -> bytes:
    return z_text(os.fsencode(path), "path")


def number(value: int, limit: int, what: str) -> int:
    """A whole number from 0 to limit; ctypes would cut off what does not fit."""
    if not isinstance(value, int):
        raise TypeError(f"{what} must be int, not {type(value).__name__}")
    if not 0 <= value <= limit:
        raise make_error(_E["OA_EINVAL"], f"{what} is {value}, want 0 to {limit}")
    return value


U32 = 2**32 - 1
SIZE = 2**63 - 1


def id_array(ids: Sequence[int]) -> Any:
    """Token ids as an array of int32."""
    values = [int(i) for i in ids]
    for i in values:
        if not -(2**31) <= i < 2**31:
            raise make_error(_E["OA_EINVAL"], f"token {i}: not in the vocabulary")
    return (ctypes.c_int32 * len(values))(*values)


# --- handles ----------------------------------------------------------------------------------


class Handle:
    """Owns one C object; frees it once, when it is closed or forgotten.

    A handle of this class belongs to one thread at a time: `using()` refuses a second user with
    OA_EBUSY instead of waiting for it.
    """

    _free: str = ""

    def __init__(self) -> None:
        self._ptr: Optional[int] = None
        self._owned = True
        self._lock = threading.Lock()

    def _busy(self) -> Exception:
        what = type(self).__name__.lower()
        return make_error(_E["OA_EBUSY"], f"{what} is in use by another thread or an open stream")

    def _need(self) -> int:
        if self._ptr is None:
            what = type(self).__name__.lower()
            raise make_error(_E["OA_EINVAL"], f"{what} is closed")
        return self._ptr

    @contextmanager
    def using(self) -> Iterator[int]:
        with deferred():
            if not self._lock.acquire(blocking=False):
                raise self._busy()
            try:
                yield self._need()
            finally:
                self._lock.release()

    def close(self) -> None:
        """Free what this handle owns; harmless when it is closed already."""
        with deferred():
            if not self._lock.acquire(blocking=False):
                raise self._busy()
            try:
                ptr, self._ptr = self._ptr, None
            finally:
                self._lock.release()
            if ptr is not None and self._owned:
                getattr(lib, self._free)(ptr)

    @property
    def closed(self) -> bool:
        return self._ptr is None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        ptr = getattr(self, "_ptr", None)
        if ptr is not None and self._owned and lib is not None:
            self._ptr = None
            getattr(lib, self._free)(ptr)


def new_handle(free: str, function: Any, *args: Any) -> int:
    """Call a constructor; returns the pointer."""
    out = ctypes.c_void_p()
    try:
        call(function, ctypes.byref(out), *args)
    except BaseException:  # also of a callback, when the library knows of no failure
        if out.value is not None:
            getattr(lib, free)(out.value)
        raise
    assert out.value is not None
    return out.value


# --- callbacks --------------------------------------------------------------------------------

Progress = Callable[[str, int, int], Optional[bool]]


class Cancel:
    """Set by a stream that is closed; seen by the callbacks in the stream's thread."""

    def __init__(self) -> None:
        self.wanted = False

    def watch(self) -> None:
        """Have this thread's callbacks look at it."""
        _local.cancel = self


def progress_fn(progress: Optional[Progress]) -> Any:
    """A progress callback. Without a function of the user's it still lets Python act on Ctrl-C."""

    def on_progress(what: bytes, done: int, total: int, user: Optional[int]) -> int:
        try:
            cancel: Optional[Cancel] = getattr(_local, "cancel", None)
            if cancel is not None and cancel.wanted:
                return 1
            return call_user(progress or _nothing, what.decode("utf-8", "replace"), done, total)
        except BaseException as error:
            keep_exception(error)
            return 1

    return _abi.oa_progress_fn(on_progress)


def text_fn(on_text: Callable[[str], Optional[bool]]) -> Any:
    """A text callback; the library gives whole characters."""

    def on_bytes(data: Any, length: int, user: Optional[int]) -> int:
        try:
            piece = ctypes.string_at(data, length).decode("utf-8", "replace")
            return call_user(on_text, piece)
        except BaseException as error:
            keep_exception(error)
            return 1

    return _abi.oa_text_fn(on_bytes)

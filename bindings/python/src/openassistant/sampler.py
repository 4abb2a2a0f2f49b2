# SPDX-License-Identifier: Apache-2.0
"""How one token is picked from logits. The parameters are those of the library's own table."""

import ctypes
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from . import _abi
from ._lib import Handle, call, copy_bytes, deferred, init, lib, new_handle, z_text
from .errors import NotFoundError

__all__ = ["Param", "Sampler"]

Value = Union[int, float, str]
_TYPES = _abi.ENUMS["oa_param_type"]


@dataclass(frozen=True)
class Param:
    """What is known of a parameter; ``type`` is "int", "float" or "text"."""

    key: str
    type: str
    min: float
    max: float
    default: Value
    help: str


def _number(type_: int, value: float) -> Value:
    return int(value) if type_ == _TYPES["OA_PARAM_INT"] else value


def _read_params() -> Dict[str, Param]:
    names = {number: name[len("OA_PARAM_") :].lower() for name, number in _TYPES.items()}
    raw = init(_abi.oa_param)
    params: Dict[str, Param] = {}
    while True:
        try:
            call(lib.oa_sampler_get_param, len(params), ctypes.byref(raw))
        except NotFoundError:
            return params
        key = raw.key.decode()
        if raw.type == _TYPES["OA_PARAM_TEXT"]:
            default: Value = raw.default_text.decode()
        else:
            default = _number(raw.type, raw.default_value)
        params[key] = Param(
            key, names[raw.type], raw.min_value, raw.max_value, default, raw.help.decode()
        )


_params = _read_params()


def float_array(values: Any) -> Any:
    """Logits as something that ctypes passes as float *, without a copy where that can be."""
    try:
        view = memoryview(values)
    except TypeError:
        view = None
    if view is not None and view.format in ("f", "<f", "=f") and view.c_contiguous:
        n = view.nbytes // 4
        if not view.readonly:
            return (ctypes.c_float * n).from_buffer(view)
        return (ctypes.c_float * n).from_buffer_copy(view)
    values = list(values)
    return (ctypes.c_float * len(values))(*values)


class Sampler(Handle):
    """Parameters, random state, and the tokens seen.

    Parameters are given by name, ``Sampler(temperature=0.7, seed=1)``, and read and set like
    items, ``sampler["top_k"] = 20``. `Sampler.params` lists them. ``bias`` maps tokens to numbers
    that are added to their logits.
    """

    _free = "oa_sampler_free"

    def __init__(self, *, bias: Optional[Mapping[int, float]] = None, **params: Value) -> None:
        super().__init__()
        self._keep: Any = None
        opts = init(_abi.oa_sampler_opts)
        with deferred():
            self._ptr = new_handle(self._free, lib.oa_sampler_new, ctypes.byref(opts))
        self.update(**params)
        for id, number in (bias or {}).items():
            self.set_bias(id, number)

    @classmethod
    def _wrap(cls, ptr: int, keep: Any = None, owned: bool = True) -> "Sampler":
        self = cls.__new__(cls)
        Handle.__init__(self)
        self._ptr, self._keep, self._owned = ptr, keep, owned
        return self

    @staticmethod
    def params() -> List[Param]:
        """All parameters, in the order of the documentation."""
        return list(_params.values())

    def update(self, **params: Value) -> None:
        """Set parameters by name."""
        for key, value in params.items():
            self[key] = value

    def __setitem__(self, key: str, value: Value) -> None:
        name = z_text(key, "parameter")
        with self.using() as ptr:
            if isinstance(value, str):
                call(lib.oa_sampler_set_text, ptr, name, z_text(value, key))
            else:
                try:
                    number = float(value)
                except OverflowError:
                    number = float("inf") if value > 0 else float("-inf")
                call(lib.oa_sampler_set, ptr, name, number)

    def __getitem__(self, key: str) -> Value:
        name = z_text(key, "parameter")
        param = _params.get(key)
        with self.using() as ptr:
            if param is not None and param.type == "text":
                return copy_bytes(lib.oa_sampler_copy_text, ptr, name).decode()
            value = ctypes.c_double()
            call(lib.oa_sampler_get, ptr, name, ctypes.byref(value))
        return int(value.value) if param and param.type == "int" else value.value

    def __iter__(self) -> Iterator[str]:
        return iter(_params)

    def keys(self) -> List[str]:
        """The names of all parameters."""
        return list(_params)

    def __repr__(self) -> str:
        if self.closed:
            return "<Sampler (closed)>"
        changed = (f"{key}={self[key]!r}" for key in _params if self[key] != _params[key].default)
        return f"Sampler({', '.join(changed)})"

    def set_bias(self, id: int, bias: float) -> None:
        """Add a number to the logit of a token; ``-math.inf`` forbids it, 0 removes the entry."""
        with self.using() as ptr:
            call(lib.oa_sampler_set_bias, ptr, _id(id), bias)

    def pick(self, logits: Union[Sequence[float], Any]) -> int:
        """Pick a token. Any buffer of 32-bit floats will do, or numbers."""
        array = float_array(logits)
        id = ctypes.c_int32()
        with self.using() as ptr:
            call(lib.oa_sampler_pick, ptr, array, len(array), ctypes.byref(id))
        return id.value

    def accept(self, id: int) -> None:
        """Tell the sampler that a token was added to the sequence; sessions do it themselves."""
        with self.using() as ptr:
            call(lib.oa_sampler_accept, ptr, _id(id))

    def reset(self) -> None:
        """Forget the history and begin the random numbers again."""
        with self.using() as ptr:
            call(lib.oa_sampler_reset, ptr)

    def fork(self) -> "Sampler":
        """A copy: same parameters, random state and history."""
        with self.using() as ptr:
            return Sampler._wrap(new_handle("oa_sampler_free", lib.oa_sampler_fork, ptr))


def _id(id: int) -> int:
    """A token id as int32; what does not fit becomes one that is refused."""
    return id if -(2**31) <= id < 2**31 else -1

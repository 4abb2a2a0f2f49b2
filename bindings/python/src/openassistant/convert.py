# SPDX-License-Identifier: Apache-2.0
"""Writing models: one GGUF file, of the same or smaller types."""

import ctypes
from dataclasses import dataclass
from typing import Dict, Iterable, Optional, Tuple, Union

from . import _abi
from ._lib import U32, Progress, call, deferred, init, lib, number, path_text, progress_fn, z_text
from .model import _LEVELS, Log, Path, _log_fn, choice

__all__ = ["ConvertResult", "convert", "convert_types", "quantize"]

_FLAGS = _abi.ENUMS["oa_convert_flags"]


@dataclass(frozen=True)
class ConvertResult:
    """What was written; the fields are those of ``oa_convert_result``."""

    n_params: int
    in_size: int
    out_size: int
    n_tensors: int
    n_converted: int
    n_fallback: int
    n_requantised: int


def convert_types() -> Dict[str, str]:
    """The types that ``convert`` can write, in ascending order of size, and what they mean."""
    types: Dict[str, str] = {}
    name, text = ctypes.c_char_p(), ctypes.c_char_p()
    while lib.oa_convert_get_type(len(types), ctypes.byref(name), ctypes.byref(text)) == 0:
        types[(name.value or b"").decode()] = (text.value or b"").decode()
    return types


def convert(
    path: Path,
    out_path: Path,
    type: str = "",
    *,
    pure: bool = False,
    pack: bool = False,
    threads: int = 0,
    mmap: bool = True,
    log: Optional[Log] = None,
    log_level: str = "default",
    progress: Optional[Progress] = None,
    adapters: Iterable[Union[Path, Tuple[Path, float]]] = (),
) -> ConvertResult:
    """Write any model that opens as one GGUF file.

    ``type`` "" keeps every tensor as it is; else it is one of ``convert_types()``. ``pure`` gives
    it to every matrix, also where its recipe says a larger one. ``pack`` lays the matrices out
    as the kernels want them: such a file opens at once and is shared. ``log`` receives
    (level, line) for each kind of tensors that fell back to another type. ``adapters`` lists paths
    of adapters, or pairs of one and a scale, that become part of the matrices. The file takes its
    name when it is complete.
    """
    opts, result = init(_abi.oa_convert_opts), init(_abi.oa_convert_result)
    opts.flags = (
        (_FLAGS["OA_CONVERT_PURE"] if pure else 0)
        | (_FLAGS["OA_CONVERT_PACK"] if pack else 0)
        | (0 if mmap else _FLAGS["OA_CONVERT_NO_MMAP"])
    )
    opts.n_threads = number(threads, U32, "threads")
    opts.type = z_text(type, "type")
    opts.log_level = choice(_LEVELS, log_level, "log_level")
    opts.log_fn = _log_fn(log)
    opts.progress_fn = progress_fn(progress)
    opts.result = ctypes.pointer(result)
    pairs = [a if isinstance(a, tuple) else (a, 1.0) for a in adapters]
    opts.adapter_paths = (ctypes.c_char_p * len(pairs))(*(path_text(p) for p, _ in pairs))
    opts.adapter_scales = (ctypes.c_float * len(pairs))(*(s for _, s in pairs))
    opts.n_adapters = len(pairs)
    with deferred():
        call(lib.oa_convert, path_text(path), path_text(out_path), ctypes.byref(opts))
    fields = ConvertResult.__dataclass_fields__
    return ConvertResult(**{name: int(getattr(result, name)) for name in fields})


def quantize(
    path: Path,
    out_path: Path,
    type: str,
    *,
    pure: bool = False,
    threads: int = 0,
    log: Optional[Log] = None,
    progress: Optional[Progress] = None,
) -> ConvertResult:
    """Write a model file of a smaller type; see ``convert``."""
    if not type:
        raise ValueError("type is empty, want one of " + ", ".join(convert_types()))
    return convert(
        path, out_path, type, pure=pure, threads=threads, log=log, progress=progress
    )

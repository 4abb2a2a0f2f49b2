# SPDX-License-Identifier: Apache-2.0
"""Adapters: low-rank changes (LoRA) of a model's matrices, chosen per session."""

import ctypes
from dataclasses import dataclass
from typing import Any, Iterable, List, Tuple, Union

from . import _abi
from ._lib import Handle, call, init, lib, new_handle, path_text
from .model import Model, Path

__all__ = ["Adapter", "AdapterInfo"]


@dataclass(frozen=True)
class AdapterInfo:
    """What an adapter is; the fields are those of ``oa_adapter_info``."""

    n_matrices: int
    rank: int
    n_params: int
    memory: int


class Adapter(Handle):
    """An adapter that fits one open model: a GGUF adapter, or a folder as PEFT writes it.

    Sessions and chats take ``adapters``: a list of them, or of pairs with a scale. They may differ
    from session to session of one model, and still step in one batch.
    """

    _free = "oa_adapter_free"

    def __init__(self, model: Model, path: Path) -> None:
        super().__init__()
        self.model = model
        with model.using() as ptr:
            self._ptr = new_handle(self._free, lib.oa_adapter_open, ptr, path_text(path))

    @property
    def info(self) -> AdapterInfo:
        """What it is."""
        info = init(_abi.oa_adapter_info)
        with self.using() as ptr:
            call(lib.oa_adapter_get_info, ptr, ctypes.byref(info))
        return AdapterInfo(info.n_matrices, info.rank, info.n_params, info.memory)


Adapters = Iterable[Union[Adapter, Tuple[Adapter, float]]]


def set_adapters(opts: Any, adapters: Adapters) -> None:
    """Put adapters into session options, which keep the arrays alive."""
    pairs: List[Tuple[Adapter, float]] = [
        (a, 1.0) if isinstance(a, Adapter) else (a[0], float(a[1])) for a in adapters
    ]
    if not pairs:
        return
    pointers = []
    for adapter, _ in pairs:
        with adapter.using() as ptr:
            pointers.append(ptr)
    opts.adapters = (ctypes.c_void_p * len(pairs))(*pointers)
    opts.adapter_scales = (ctypes.c_float * len(pairs))(*(scale for _, scale in pairs))
    opts.n_adapters = len(pairs)

# SPDX-License-Identifier: Apache-2.0
"""Heads: what turns an embedding into scores."""

import ctypes
from dataclasses import dataclass
from typing import Dict, Optional, Sequence, Union

from . import _abi
from ._lib import Handle, call, init, lib, new_handle, path_text
from .model import Model, Path

__all__ = ["Head", "HeadInfo"]


def _names(enum: str, prefix: str) -> Dict[int, str]:
    return {value: name[len(prefix) :].lower() for name, value in _abi.ENUMS[enum].items()}


@dataclass(frozen=True)
class HeadInfo:
    """What a head is: ``kind`` "reward" or "labels", the ``pooling`` and ``normalize`` of the
    embeddings that it was trained on, and the ``function`` "none", "sigmoid" or "softmax" that
    makes probabilities of its scores."""

    kind: str
    n_scores: int
    pooling: str
    normalize: bool
    function: str


class Head(Handle):
    """A head file for one open model; without a path the head that the model carries."""

    _free = "oa_head_free"

    def __init__(self, model: Model, path: Optional[Path] = None) -> None:
        super().__init__()
        self.model = model
        name = None if path is None else path_text(path)
        with model.using() as ptr:
            self._ptr = new_handle(self._free, lib.oa_head_open, ptr, name)

    @property
    def info(self) -> HeadInfo:
        """What it is."""
        info = init(_abi.oa_head_info)
        with self.using() as ptr:
            call(lib.oa_head_get_info, ptr, ctypes.byref(info))
        return HeadInfo(
            _names("oa_head_kind", "OA_HEAD_")[info.kind],
            info.n_scores,
            _names("oa_pooling", "OA_POOL_")[info.pooling],
            bool(info.flags & _abi.ENUMS["oa_embed_flags"]["OA_EMBED_NORMALIZE"]),
            _names("oa_head_function", "OA_HEAD_")[info.function],
        )

    def apply(self, embedding: Sequence[float]) -> Dict[str, float]:
        """Scores by label; of a reward head the one named "reward"."""
        data = (ctypes.c_float * len(embedding))(*embedding)
        n = self.info.n_scores
        scores = (ctypes.c_float * n)()
        label = ctypes.c_char_p()
        result: Dict[str, float] = {}
        with self.using() as ptr:
            call(lib.oa_head_apply, ptr, data, len(data), scores, n)
            for i in range(n):
                call(lib.oa_head_get_label, ptr, i, ctypes.byref(label))
                assert label.value is not None
                result[label.value.decode("utf-8", "replace")] = scores[i]
        return result

    def score(
        self, text: Union[str, bytes], second: Optional[Union[str, bytes]] = None
    ) -> Dict[str, float]:
        """Scores of a text, or of two, as rerankers want a question and a passage: the embedding,
        made as the head wants it, and `apply`."""
        info = self.info
        texts = [text if second is None else (text, second)]
        return self.apply(
            self.model.embed(texts, pooling=info.pooling, normalize=info.normalize)[0]
        )

    def probabilities(
        self, scores: Dict[str, float], function: Optional[str] = None
    ) -> Dict[str, float]:
        """What scores become by "sigmoid", "softmax" or "none"; by default as the head says."""
        name = self.info.function if function is None else function
        numbers = {v: k for k, v in _names("oa_head_function", "OA_HEAD_").items()}
        if name not in numbers:
            raise ValueError(f"function {name!r}, want {', '.join(numbers)}")
        data = (ctypes.c_float * len(scores))(*scores.values())
        with self.using() as ptr:
            call(lib.oa_head_probabilities, ptr, numbers[name], data, len(data))
        return dict(zip(scores, data))

    def save(self, path: Path) -> None:
        """Write it to a file, which ``Head(model, path)`` reads."""
        with self.using() as ptr:
            call(lib.oa_head_save, ptr, path_text(path))

# SPDX-License-Identifier: Apache-2.0
"""An open assistant on your own computer.

    from openassistant import Model

    with Model("smollm2") as model, model.chat() as chat:
        for piece in chat.stream("Why is the sky blue?"):
            print(piece, end="", flush=True)

The package is a thin layer over the public C headers of libopenassistant, in ctypes: what the
headers say holds here, too.
"""

from . import errors
from ._lib import lib as _library
from .adapter import Adapter, AdapterInfo
from .chat import Chat
from .convert import ConvertResult, convert, convert_types, quantize
from .errors import *  # noqa: F403
from .head import Head, HeadInfo
from .hub import catalogue, installed, pull, remove, verify
from .model import CutChat, MemoryEstimate, Message, Model, ModelInfo, Perplexity
from .sampler import Param, Sampler
from .session import Session, Step, step_many
from .stream import Answer, Result, Stream

#: The version of the library that is running.
__version__: str = _library.oa_version().decode()


def build_info() -> str:
    """What the library contains and what this machine will use, in one line."""
    info: bytes = _library.oa_build_info()
    return info.decode()


__all__ = [
    "Adapter",
    "AdapterInfo",
    "Answer",
    "Chat",
    "ConvertResult",
    "CutChat",
    "Head",
    "HeadInfo",
    "MemoryEstimate",
    "Message",
    "Model",
    "ModelInfo",
    "Param",
    "Perplexity",
    "Result",
    "Sampler",
    "Session",
    "Step",
    "Stream",
    "build_info",
    "catalogue",
    "installed",
    "pull",
    "remove",
    "convert",
    "convert_types",
    "quantize",
    "step_many",
    "verify",
    *errors.__all__,
]

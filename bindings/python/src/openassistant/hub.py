# SPDX-License-Identifier: Apache-2.0
"""Getting models and data sets from the Hugging Face hub, and looking after them."""

import ctypes
import json
from typing import Any, Dict, List, Optional

from . import _abi
from ._lib import U32, Progress, call, copy_bytes, deferred, init, lib, number, opt_text
from ._lib import progress_fn, z_text
from .model import _LEVELS, Log, _log_fn, choice

__all__ = ["catalogue", "installed", "pull", "remove", "verify"]

_DATASET = _abi.ENUMS["oa_hub_flags"]["OA_HUB_DATASET"]
_PATH_SIZE = 4096 + 1024


def _opts(dataset: bool) -> Any:
    opts = init(_abi.oa_hub_opts)
    opts.flags = _DATASET if dataset else 0
    return opts


def pull(
    name: str,
    *,
    dataset: bool = False,
    revision: Optional[str] = None,
    endpoint: Optional[str] = None,
    token: Optional[str] = None,
    tries: int = 0,
    retry_ms: int = 0,
    stall_ms: int = 0,
    log: Optional[Log] = None,
    log_level: str = "default",
    progress: Optional[Progress] = None,
) -> str:
    """Get a model (or a data set) and return its path, for `Model`.

    ``name`` is OWNER/NAME[:FILE or TYPE][@REVISION], or a short name of the `catalogue()`. What is
    there already is not fetched again, and what was broken off goes on where it stopped. ``log``
    receives (level, line); with ``log_level`` "info" also the licence, once. ``progress`` receives
    (what, done, total) in bytes, and cancels by returning True.
    """
    opts = _opts(dataset)
    opts.revision = opt_text(revision, "revision")
    opts.endpoint = opt_text(endpoint, "endpoint")
    opts.token = opt_text(token, "token")
    opts.n_tries = number(tries, U32, "tries")
    opts.retry_ms = number(retry_ms, U32, "retry_ms")
    opts.stall_ms = number(stall_ms, U32, "stall_ms")
    opts.log_level = choice(_LEVELS, log_level, "log_level")
    opts.log_fn = _log_fn(log)
    opts.progress_fn = progress_fn(progress)
    buf = ctypes.create_string_buffer(_PATH_SIZE)
    length = ctypes.c_size_t()
    with deferred():
        call(lib.oa_hub_pull, z_text(name, "name"), ctypes.byref(opts), buf, len(buf),
             ctypes.byref(length))  # fmt: skip
    return buf.raw[: length.value].decode("utf-8", "surrogateescape")


def installed(*, dataset: bool = False) -> List[Dict[str, Any]]:
    """What is installed: dictionaries with name, path, size, and where it was pulled from."""
    text = copy_bytes(lib.oa_hub_copy_installed, ctypes.byref(_opts(dataset)))
    found: List[Dict[str, Any]] = json.loads(text)["datasets" if dataset else "models"]
    return found


def catalogue() -> List[Dict[str, Any]]:
    """The short names that `pull()` knows: dictionaries with name, kind, get, licence, about."""
    found: List[Dict[str, Any]] = json.loads(copy_bytes(lib.oa_hub_copy_catalogue))
    return found


def verify(name: str, *, dataset: bool = False, progress: Optional[Progress] = None) -> None:
    """Compare what is installed with the checksums it was pulled with; FormatError when not."""
    opts = _opts(dataset)
    opts.progress_fn = progress_fn(progress)
    with deferred():
        call(lib.oa_hub_verify, z_text(name, "name"), ctypes.byref(opts))


def remove(name: str, *, dataset: bool = False) -> None:
    """Take away what is installed under this name."""
    call(lib.oa_hub_remove, z_text(name, "name"), ctypes.byref(_opts(dataset)))

# SPDX-License-Identifier: Apache-2.0
"""Exceptions: one class per error code of the library."""

from typing import TYPE_CHECKING, Dict, Optional, Type

from . import _abi

if TYPE_CHECKING:
    from .stream import Result

__all__ = [
    "OpenAssistantError",
    "InvalidArgumentError",
    "OutOfMemoryError",
    "NotFoundError",
    "AccessError",
    "InputOutputError",
    "FormatError",
    "VersionError",
    "UnsupportedError",
    "NotBuiltError",
    "ContextFullError",
    "CancelledError",
    "BusyError",
    "LimitError",
    "TemplateError",
    "InternalError",
]

_names = {number: name for name, number in _abi.ENUMS["oa_error"].items()}


class OpenAssistantError(Exception):
    """A call into the library failed.

    ``code`` is the number, ``name`` the constant ("OA_EFORMAT"), ``text`` the reason in one line.
    ``result`` is a `Result` when a generation failed after it had begun, else None.
    """

    code: int
    name: str
    text: str
    result: Optional["Result"]

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.name = _names.get(code, "OA_UNKNOWN")
        self.text = text
        self.result = None

    def __str__(self) -> str:
        return f"{self.text} ({self.name})"


class InvalidArgumentError(OpenAssistantError, ValueError):
    """OA_EINVAL: invalid argument."""


class OutOfMemoryError(OpenAssistantError, MemoryError):
    """OA_ENOMEM: out of memory or over the memory limit."""


class NotFoundError(OpenAssistantError, LookupError):
    """OA_ENOTFOUND: a file, a name or an entry is not there."""


class AccessError(OpenAssistantError):
    """OA_EACCES: permission denied."""


class InputOutputError(OpenAssistantError):
    """OA_EIO: input or output failed."""


class FormatError(OpenAssistantError):
    """OA_EFORMAT: damaged or malformed data."""


class VersionError(OpenAssistantError):
    """OA_EVERSION: version not supported."""


class UnsupportedError(OpenAssistantError):
    """OA_EUNSUPPORTED: valid, but not supported."""


class NotBuiltError(OpenAssistantError):
    """OA_ENOTBUILT: this part was left out of the build."""


class ContextFullError(OpenAssistantError):
    """OA_EFULL: the context is full."""


class CancelledError(OpenAssistantError):
    """OA_ECANCELLED: a callback ended the work."""


class BusyError(OpenAssistantError):
    """OA_EBUSY: the handle is in use, by another thread or by a stream that has not ended."""


class LimitError(OpenAssistantError):
    """OA_ELIMIT: a limit was reached."""


class TemplateError(OpenAssistantError):
    """OA_ETEMPLATE: the chat template failed."""


class InternalError(OpenAssistantError):
    """OA_EINTERNAL: internal error."""


_classes: Dict[str, Type[OpenAssistantError]] = {
    "OA_EINVAL": InvalidArgumentError,
    "OA_ENOMEM": OutOfMemoryError,
    "OA_ENOTFOUND": NotFoundError,
    "OA_EACCES": AccessError,
    "OA_EIO": InputOutputError,
    "OA_EFORMAT": FormatError,
    "OA_EVERSION": VersionError,
    "OA_EUNSUPPORTED": UnsupportedError,
    "OA_ENOTBUILT": NotBuiltError,
    "OA_EFULL": ContextFullError,
    "OA_ECANCELLED": CancelledError,
    "OA_EBUSY": BusyError,
    "OA_ELIMIT": LimitError,
    "OA_ETEMPLATE": TemplateError,
    "OA_EINTERNAL": InternalError,
}


def make_error(code: int, text: str) -> OpenAssistantError:
    """The exception for a code; codes of a newer library give the base class."""
    return _classes.get(_names.get(code, ""), OpenAssistantError)(code, text)

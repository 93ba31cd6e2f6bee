"""Pack names that people take for each other."""

from __future__ import annotations

import re

from registry_server.errors import BadRequest
from sdk.archives.names import name_problem

_SEPARATORS = re.compile(r"[-_.]")
_ALIKE = str.maketrans("lio", "110")


RESERVED = ("core", "comfy-core", "comfy-nodes", "comfyui", "search", "upload")
"""Names that the host, its nodes and this registry's addresses have."""


def check_name(name: str) -> None:
    """Return if a new pack may have this name, whatever others there are.

    Raises:
        BadRequest: it may not.
    """
    if lookalike(name) in map(lookalike, RESERVED):
        raise BadRequest(f"No pack can be called {name!r}: that would be taken for a part of ComfyUI or the registry.")
    if problem := name_problem(name):
        raise BadRequest(f"No pack can be called {name!r}, as its folder is called so: the name {problem}.")


def lookalike(name: str) -> str:
    """The form in which two names look alike: no separators, lower case, ``l`` and ``i`` are ``1``, ``o`` is ``0``.

    Source: PyPI's ``ultranormalize_name`` (warehouse, ``packaging``), which refuses new projects by it.
    """
    return _SEPARATORS.sub("", name).lower().translate(_ALIKE)

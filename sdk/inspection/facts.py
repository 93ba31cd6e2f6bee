"""What static reading finds in a pack."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sdk.inspection.code_hash import signature as signature_of


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """A node, read from source code alone.

    Attributes:
        id: the bare id (``class_type``).
        schema: the entry as in ``/object_info``; empty where it could not be read wholly enough.
        dynamic: inputs whose choices only a running host knows, each with their source (``folder:loras``, ``samplers``)
            or ``unknown``; the schema shows an empty list for them.
        code: sha256 of the normalised syntax tree of the class or function; "" where it was not found.
        tree: of the class or function, from which the signature is made; ``None`` where it was not found.
        file, line: where the class or function stands; ``file`` is relative to the pack's folder, with ``/``.
        reference: ``module:name`` of the class or function, "" where it was not found.
        style: ``sdk``, ``comfyui-v1`` or ``comfyui-v3``.
        deprecated: why, "" while it is not; ``yes`` where the code gives no reason.
    """

    id: str
    title: str = ""
    category: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()
    deprecated: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    dynamic: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    tree: ast.AST | None = field(default=None, repr=False, compare=False)
    file: str = ""
    line: int = 0
    reference: str = ""
    style: str = ""

    @cached_property
    def signature(self) -> tuple[int, ...]:
        """MinHash of the tree (128 permutations); () where it was not found or is too small.

        Made when it is asked for, because few ask and the library that makes it takes half a second to load.
        """
        return () if self.tree is None else signature_of(self.tree)


@dataclass(frozen=True, order=True)
class Unread:
    """Something that can't be known without running the code: where it is (1-based line), and why."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """All that static reading finds in a pack.

    Attributes:
        nodes: by id, in the order of the ids.
        unread: what there may be besides; empty where ``nodes`` is complete.
        kind: ``sdk``, ``comfyui-v1``, ``comfyui-v3``, ``mixed`` or ``none``.
    """

    nodes: tuple[NodeFacts, ...] = ()
    unread: tuple[Unread, ...] = ()
    kind: str = "none"

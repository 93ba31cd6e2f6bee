"""``comfy_execution.graph``: the value that stops what is downstream of it."""

from __future__ import annotations

from sdk.nodes import Blocker as ExecutionBlocker

__all__ = ["ExecutionBlocker"]

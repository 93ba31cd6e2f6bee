"""What a schema-style node returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class NodeOutput:
    """Values for the outputs in their order, and what else a call gives.

    Args:
        args: one value per output.
        ui: what the user interface shows: a dict of lists, or an object whose ``as_dict()`` gives one.
        expand: a sub-graph in API format that takes the node's place; links in ``args`` name its nodes.
        block_execution: a message that stops everything downstream instead of the values.
    """

    def __init__(
        self,
        *args: Any,
        ui: Any = None,
        expand: Mapping[str, Any] | None = None,
        block_execution: str | None = None,
    ) -> None:
        self.args = args
        self.ui = ui
        self.expand = expand
        self.block_execution = block_execution

    @property
    def result(self) -> tuple[Any, ...] | None:
        """The values, or None where there are none."""
        return self.args or None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NodeOutput:
        """The same from the dict that older nodes return: ``result``, ``ui``, ``expand``, ``block_execution``."""
        return cls(
            *(data.get("result") or ()),
            ui=data.get("ui"),
            expand=data.get("expand"),
            block_execution=data.get("block_execution"),
        )

"""Describes one node as it is now, whatever its pack's code does when asked."""

from __future__ import annotations

import logging
from typing import Any

from host.engine.catalogue import Catalogue
from host.engine.object_info import describe
from sdk.nodes import NodeType

logger = logging.getLogger(__name__)


def current_entry(catalogue: Catalogue, node: NodeType) -> dict[str, Any] | None:
    """The node's entry in ``/object_info``; None, with a line in the log, if its pack can't say what its inputs are."""
    try:
        return describe(catalogue.schema(node).node)
    except Exception as error:  # noqa: BLE001  calling a node: a pack's own code says what its inputs are
        logger.warning("node %s can't say what its inputs are and is left out: %s", node.true_id, error)
        return None

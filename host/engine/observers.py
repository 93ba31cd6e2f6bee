"""Calls the hooks that observe runs; those nobody implements cost nothing."""

from __future__ import annotations

from typing import Any

from sdk.nodes import NodeResult, NodeType


class Observers:
    """The observers of one job; ``before_node`` and ``after_node`` say whether anybody listens.

    Args:
        hooks: a pluggy manager's ``hook``, or None.
    """

    def __init__(self, hooks: Any, job: Any) -> None:
        self._hooks, self._job = hooks, job
        self.before_node = self._heard("before_node")
        self.after_node = self._heard("after_node")

    def _heard(self, name: str) -> bool:
        caller = getattr(self._hooks, name, None)
        return caller is not None and bool(caller.get_hookimpls())

    def before_job(self) -> None:
        if self._heard("before_job"):
            self._hooks.before_job(job=self._job)

    def after_job(self, seconds: float) -> None:
        if self._heard("after_job"):
            self._hooks.after_job(job=self._job, seconds=seconds)

    def node_starts(self, node_id: str, node: NodeType) -> None:
        self._hooks.before_node(job=self._job, node_id=node_id, node=node)

    def node_ended(self, node_id: str, node: NodeType, result: NodeResult, seconds: float) -> None:
        self._hooks.after_node(job=self._job, node_id=node_id, node=node, result=result, seconds=seconds)

    def node_failed(self, node_id: str, node: NodeType, error: BaseException) -> None:
        if self._heard("on_node_error"):
            self._hooks.on_node_error(job=self._job, node_id=node_id, node=node, error=error)

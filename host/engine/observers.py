"""Calls the hooks that observe runs; those nobody implements cost nothing."""

from __future__ import annotations

import logging
from typing import Any

from host.engine.outcome import Outcome
from sdk.nodes import NodeResult, NodeType

logger = logging.getLogger(__name__)


class Observers:
    """The observers of one job; ``before_node`` and ``after_node`` say whether anybody listens.

    One that raises before or after a node makes that node fail; elsewhere it is logged.

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
        self._tell("before_job", job=self._job)

    def after_job(self, outcome: Outcome) -> None:
        self._tell("after_job", job=self._job, seconds=outcome.seconds, outcome=outcome)

    def node_starts(self, node_id: str, node: NodeType) -> None:
        self._hooks.before_node(job=self._job, node_id=node_id, node=node)

    def node_ended(self, node_id: str, node: NodeType, result: NodeResult, seconds: float) -> None:
        self._hooks.after_node(job=self._job, node_id=node_id, node=node, result=result, seconds=seconds)

    def node_failed(self, node_id: str, node: NodeType, error: BaseException) -> None:
        self._tell("on_node_error", job=self._job, node_id=node_id, node=node, error=error)

    def _tell(self, name: str, **facts: Any) -> None:
        """Call a hook that has no node to fail: what it raises is logged, and the job goes on to its end."""
        if self._heard(name):
            try:
                getattr(self._hooks, name)(**facts)
            except Exception:
                logger.exception("an observer of %s failed in job %s", name, self._job.id)

"""Extension points of the engine. Arguments may be added, never renamed or removed.

Verbs are contracts: ``register_*`` returns frozen records; ``before_*``, ``after_*`` and ``on_*_error`` observe and
return nothing; ``choose_*`` answers with the first result that is not None.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from sdk.hooks import PROJECT
from sdk.nodes import NodeResult, NodeType
from sdk.sockets import Socket

if TYPE_CHECKING:
    from host.engine.caching.cache import ResultCache
    from host.engine.jobs.queue import Execute
    from host.engine.jobs.records import Job
    from host.engine.outcome import Outcome

hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def register_nodes() -> Iterable[NodeType]:
    """Return the nodes this pack provides. Called once, when the pack is loaded.

    A node id offered by two packs is an error that names both. Example: ``return [tint, posterise]``.
    """
    raise AssertionError("a specification is never called")


@hookspec
def register_sockets() -> Iterable[Socket]:
    """Return socket types this pack invents, with a description each. Called once, when the pack is loaded.

    Declaring a socket is optional; it documents the type and lets ``comfy-nodes nodes`` show it.
    """
    raise AssertionError("a specification is never called")


@hookspec
def before_job(job: Job) -> None:
    """Observe that a job starts. Called on the job's thread, before its first node."""


@hookspec
def after_job(job: Job, seconds: float, outcome: Outcome) -> None:
    """Observe that a job's run ended, however it ended, after ``seconds``. Its files are written by then.

    ``outcome.state`` is ``succeeded``, ``failed`` or ``cancelled``, ``outcome.failure`` says which node failed and how,
    ``outcome.ui`` what each node shows.
    """


@hookspec
def before_node(job: Job, node_id: str, node: NodeType) -> None:
    """Observe that a node is about to run. Not called for a node whose result is cached."""


@hookspec
def after_node(job: Job, node_id: str, node: NodeType, result: NodeResult, seconds: float) -> None:
    """Observe a node's result and how long it took, in seconds of wall time."""


@hookspec
def on_node_error(job: Job, node_id: str, node: NodeType, error: BaseException) -> None:
    """Observe that a node raised. The job fails afterwards; the error can't be swallowed."""


@hookspec(firstresult=True)
def choose_cache(spec: str) -> ResultCache | None:
    """Return the result cache for a setting such as ``memory``, ``lru:100``, ``disk:/path`` or ``none``.

    Return None for a setting this pack does not know; the first answer wins.
    """


@hookspec(firstresult=True)
def choose_runner(spec: str, execute: Execute) -> Execute | None:
    """Return what runs whole jobs for a setting such as ``local``, or None for one this pack does not know.

    ``execute(job, cancel)`` runs a job in this process; a runner may call it, wrap it, or send the job elsewhere.
    """


@hookspec(firstresult=True)
def choose_pack_loader(folder: Path) -> Any:
    """Return a loader for a pack folder that is not written against the SDK, or None.

    A loader is called with the folder and gives the pack as a plugin object, whose hooks are then registered as any
    other's. Called once for each folder that has no entry point of ours.
    """

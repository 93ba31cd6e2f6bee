"""A node as the engine sees it: frozen data plus the functions that do its work.

``@node`` makes these records from annotated functions and classes; a pack loader may make them from
anything else. The engine knows nothing beyond what stands here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sdk.context import NodeContext
from sdk.markers import Hidden
from sdk.sockets import COMBO

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING", "__bool__": lambda self: False})()


class Determinism(StrEnum):
    """What a node's result depends on, besides its inputs and its fingerprint."""

    PURE = "pure"
    PER_NODE = "per-node"  # equal inputs at two places of a graph give two results
    EXTERNAL = "external"  # never cached


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input: its socket type and the options exactly as ``/object_info`` shows them.

    Attributes:
        type: socket type; ``COMBO`` where the value is one of ``choices``.
        choices: the list itself, or the name of a source that the host resolves.
        options: default, min, max, step, tooltip, lazy … ; None where a declaration has no options at all.
        typed_combo: written ``["COMBO", {"options": […]}]`` instead of ``[[…], {}]``.
        strict: values must be among the choices in the newer spelling too, as they must in the older one.
    """

    name: str
    type: str
    required: bool = True
    choices: tuple[Any, ...] | str | None = None
    options: Mapping[str, Any] | None = None
    typed_combo: bool = False
    strict: bool = False

    def option(self, name: str, default: Any = None) -> Any:
        return default if self.options is None else self.options.get(name, default)

    @property
    def default(self) -> Any:
        """The default value, or MISSING."""
        return self.option("default", MISSING)

    @property
    def lazy(self) -> bool:
        return bool(self.option("lazy", False))

    @property
    def raw_link(self) -> bool:
        return bool(self.option("rawLink", False))

    def config(self) -> list[Any]:
        """The declaration in the form of ``/object_info``: ``[type, options]`` or ``[[choices], options]``."""
        if self.type == COMBO and not self.typed_combo:
            if isinstance(self.choices, str):
                raise ValueError(
                    f"the choices of {self.name!r} are still the source {self.choices!r}: resolve them first"
                )
            kind: Any = list(self.choices or ())
        else:
            kind = self.type
        return [kind] if self.options is None else [kind, dict(self.options)]


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output: its type, its name, and whether it yields a list to be mapped over."""

    type: str
    name: str
    is_list: bool = False
    tooltip: str | None = None


@dataclass(frozen=True)
class Blocker:
    """A value that stops everything downstream of it, with a message or silently."""

    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class NodeResult:
    """What one call of a node gives.

    Attributes:
        outputs: one value per declared output; a value may be a Blocker. Fewer where ``expand`` replaces them.
        ui: what the user interface shows, lists by name.
        expand: a sub-graph in API format; links in ``outputs`` then name its nodes.
    """

    outputs: tuple[Any, ...] = ()
    ui: Mapping[str, Sequence[Any]] | None = None
    expand: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A node's own check of its constants before a run.

    Attributes:
        check: given the values (linked ones None where asked for by name) and, if ``wants_types``, also
            ``input_types`` (types of linked inputs by name); True, False or a message.
        names: inputs it looks at; None for all. Their range and list checks are left to it.
        wants_types: it checks the types of linked inputs itself.
    """

    check: Callable[..., bool | str]
    names: frozenset[str] | None = None
    wants_types: bool = False


RunFunction = Callable[[Any, dict[str, Any], NodeContext], NodeResult | Awaitable[NodeResult]]
LazyFunction = Callable[[Any, dict[str, Any]], Iterable[str] | Awaitable[Iterable[str] | None] | None]


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeType:
    """Everything the host knows of one kind of node.

    Attributes:
        id: bare name, unique within its pack; the true id is ``pack/id``.
        run: ``run(state, inputs, context)``, for one item of mapped lists, or for whole lists if ``takes_lists``.
        more_inputs: what a prompt may add under names of its own, each declared like this one; None for no more.
        create: makes the state that lives as long as the node stays in a prompt; None for stateless nodes.
        lazy: ``lazy(state, inputs)`` names lazy inputs still needed; absent ones are None in ``inputs``.
        fingerprint: a value that goes into the cache key; NaN means "always run again".
        reads: inputs that name files; their size and time of change go into the cache key.
        thread_safe: independent calls may overlap with other nodes.
        migrate: ``migrate(inputs, from_version)`` turns inputs saved by an older version into today's.
        deprecated: why, and what to use instead; None while it is not.
        refresh: today's schema where it changes between prompts (lists of files); asked once per prompt.
        pack, pack_version, revision: filled in by the host at registration; the revision tells states of the code
            apart that bear the same version.
        info: more facts for ``/object_info``, by their names there.
        function: what the node was made from, so that calling the record calls it.
    """

    id: str
    run: RunFunction
    title: str | None = None
    category: str = ""
    description: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    more_inputs: Input | None = None
    hidden: Mapping[str, Hidden | str] = field(default_factory=dict)
    create: Callable[[], Any] | None = None
    takes_lists: bool = False
    output_node: bool = False
    lazy: LazyFunction | None = None
    validation: Validation | None = None
    fingerprint: Callable[[dict[str, Any]], Any] | None = None
    determinism: Determinism = Determinism.PURE
    reads: tuple[str, ...] = ()
    thread_safe: bool = False
    aliases: tuple[str, ...] = ()
    migrate: Callable[[dict[str, Any], str], dict[str, Any]] | None = None
    deprecated: str | None = None
    experimental: bool = False
    refresh: Callable[[], NodeType] | None = None
    python_module: str = ""
    pack: str = ""
    pack_version: str = ""
    revision: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    function: Callable[..., Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function or the ``run`` of the class this node was made from, as plain Python."""
        if self.function is None:
            raise TypeError(f"node {self.id!r} was not made from a Python function")
        return self.function(*args, **kwargs)

    @property
    def true_id(self) -> str:
        """``pack/id``: the name that no other pack can take."""
        return f"{self.pack}/{self.id}"

    def input(self, name: str) -> Input | None:
        """The input of that name, or None."""
        return next((item for item in self.inputs if item.name == name), None)

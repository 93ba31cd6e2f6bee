"""What can go wrong between the host and an isolated pack.

Exception
├── NodeRaised            the pack's code raised; each bears the name of what it raised there
└── sdk.errors.SdkError
    ├── NotIsolable       a pack does what works in the host's own process alone
    └── sdk.errors.NodeError
        ├── CannotCross   a value can't be handed to another process
        └── WorkerEnded   the pack's process ended while it was needed
"""

from __future__ import annotations

from sdk.errors import NodeError, SdkError


class NotIsolable(SdkError):
    """A pack takes part in hooks that work in the host's own process alone; ``hooks`` names them."""

    def __init__(self, pack: str, hooks: tuple[str, ...]) -> None:
        super().__init__(pack, hooks)
        self.pack, self.hooks = pack, hooks

    def __str__(self) -> str:
        return (
            f"pack {self.pack} is isolated, but takes part in {', '.join(self.hooks)}, which works in the host's own "
            "process alone. Install it without --isolate, or a pack in its place."
        )


class CannotCross(NodeError):
    """A value can't be handed to another process.

    Attributes:
        kind: its class.
        pack: the isolated pack.
    """

    def __init__(self, kind: str, pack: str) -> None:
        super().__init__(kind, pack)
        self.kind, self.pack = kind, pack

    def __str__(self) -> str:
        return (
            f"a {self.kind} can't be handed to pack {self.pack}, which runs in a process of its own; tensors, arrays, "
            "pictures, numbers, texts, lists and dictionaries of them can."
        )


class WorkerEnded(NodeError):
    """The process of an isolated pack ended while it was needed.

    Attributes:
        how: its exit code or signal, in words.
        last_words: the end of what it wrote to its standard error.
    """

    def __init__(self, pack: str, how: str, last_words: str) -> None:
        super().__init__(pack, how, last_words)
        self.pack, self.how, self.last_words = pack, how, last_words

    def __str__(self) -> str:
        said = f" Its last words: {self.last_words}" if self.last_words else ""
        return f"the process of pack {self.pack} {self.how}; the next run gets a new one.{said}"


class NodeRaised(Exception):
    """What a pack's code raised in its own process; made by ``raised``."""


def raised(module: str, name: str, message: str, frames: str) -> NodeRaised:
    """An exception that reports show as the original one; the frames of the other process are its note."""
    kind = type(name, (NodeRaised,), {"__module__": module, "__qualname__": name})
    error: NodeRaised = kind(message)
    error.add_note(frames)
    return error

"""What can be wrong with an existing pack.

DefinitionError (sdk)
└── PackDefinitionError    one node of the pack is declared in a way that can't be used
ComfyPackError
├── PackHasNoNodes         the pack was imported but offers neither kind of node list
└── NoNodeUsable           every node of the pack is declared wrongly; ``problems`` says how
"""

from __future__ import annotations

from sdk.errors import DefinitionError, SdkError


class PackDefinitionError(DefinitionError):
    """One node of a pack can't be used; ``pack`` names the pack."""

    def __init__(self, pack: str, node: str, problem: str, remedy: str) -> None:
        super().__init__(node, problem, remedy)
        self.args = (pack, node, problem, remedy)
        self.pack = pack

    def __str__(self) -> str:
        return f"pack {self.pack!r}, {super().__str__()}"


class ComfyPackError(SdkError):
    """A pack as a whole can't be used; ``pack`` names it."""

    def __init__(self, pack: str, *facts: object) -> None:
        super().__init__(pack, *facts)
        self.pack = pack


class PackHasNoNodes(ComfyPackError):
    """The pack's module has neither ``NODE_CLASS_MAPPINGS`` nor ``comfy_entrypoint``, or they are of no use."""

    def __init__(self, pack: str, problem: str) -> None:
        super().__init__(pack, problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"pack {self.pack!r}: {self.problem}. Its __init__.py needs NODE_CLASS_MAPPINGS (a dict of node classes) "
            "or comfy_entrypoint() that gives a ComfyExtension."
        )


class NoNodeUsable(ComfyPackError):
    """No node of the pack could be read."""

    def __init__(self, pack: str, problems: tuple[DefinitionError, ...]) -> None:
        super().__init__(pack, problems)
        self.problems = problems

    def __str__(self) -> str:
        return f"pack {self.pack!r}: none of its nodes can be used: " + "; ".join(map(str, self.problems))

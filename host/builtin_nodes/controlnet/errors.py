"""What can go wrong with control networks.

NodeError
├── MissingVae             a control network works on latents and got no autoencoder
├── MissingMask            a control network is shown an image with a hole and got no mask
├── WrongVae               the autoencoder's latents are of another kind than a control network looks at
├── NoSuchControlType      a kind of hint that a network for several doesn't know
└── NotOfOneKind           what a file holds is no control network
SamplingError
└── UnsupportedControl     a control network is made for another kind of model
"""

from __future__ import annotations

from collections.abc import Iterable

from host.builtin_nodes.sampling.errors import SamplingError
from sdk.errors import NodeError


class UnsupportedControl(SamplingError):
    """A control network adds to places that the model doesn't have.

    Attributes:
        network: the model, as the message names it.
        kinds: of places.
    """

    def __init__(self, network: str, kinds: Iterable[str] = ()) -> None:
        self.network, self.kinds = network, tuple(sorted(kinds))
        super().__init__(self.network, self.kinds)

    def __str__(self) -> str:
        said = f" ({', '.join(self.kinds)})" if self.kinds else ""
        return (
            f"A control network can't steer {self.network}{said}: it is made for another kind of model. "
            "Choose one that was trained for this model."
        )


class MissingVae(NodeError):
    """A control network works on latents and got no autoencoder."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.file = file

    def __str__(self) -> str:
        return f"The control network {self.file} works on latents: connect a VAE to the node that applies it."


class MissingMask(NodeError):
    """A control network is shown an image with a hole and got no mask."""

    def __str__(self) -> str:
        return (
            "The control network is made for images with a hole and wants the mask, too: apply it with the node "
            "ControlNetInpaintingAliMamaApply."
        )


class WrongVae(NodeError):
    """The autoencoder's latents are of another kind than a control network looks at.

    Attributes:
        found, wanted: channels of the latents.
    """

    def __init__(self, found: int, wanted: int) -> None:
        super().__init__(found, wanted)
        self.found, self.wanted = found, wanted

    def __str__(self) -> str:
        return (
            f"The VAE makes latents of {self.found} channels, the control network looks at {self.wanted}. Connect the "
            "VAE of the model that the control network was trained for."
        )


class NoSuchControlType(NodeError):
    """A kind of hint that the network doesn't know.

    Attributes:
        number: of the kind.
        known: how many the network knows.
    """

    def __init__(self, number: int, known: int) -> None:
        super().__init__(number, known)
        self.number, self.known = number, known

    def __str__(self) -> str:
        return f"The control network knows {self.known} kinds of hints; number {self.number} is not among them."


class NotOfOneKind(NodeError):
    """A file that is no control network where one is asked for.

    Attributes:
        file: its name.
        kind: what it is instead.
        wanted: what is asked for, in words.
    """

    def __init__(self, file: str, kind: str, wanted: str) -> None:
        super().__init__(file, kind, wanted)
        self.file, self.kind, self.wanted = file, kind, wanted

    def __str__(self) -> str:
        return f"{self.file} is a {self.kind}, not a {self.wanted}. Load it with the loader for its kind."

"""What can go wrong in sampling.

SamplingError
├── AreaOutside               a conditioning entry's area lies beyond the latent
├── UnsupportedConditioning   a conditioning entry asks for something this host can't do
└── UnsupportedPatches        a node asks for a change inside the network that this kind of network has no place for
"""

from __future__ import annotations

from collections.abc import Iterable


class SamplingError(Exception):
    """Root of the errors of this package."""


class UnsupportedConditioning(SamplingError):
    """A conditioning entry carries options that would change the picture and are not understood."""

    def __init__(self, options: Iterable[str]) -> None:
        self.options = tuple(sorted(options))
        super().__init__(self.options)

    def __str__(self) -> str:
        return (
            f"A conditioning entry uses {', '.join(self.options)}, which sampling doesn't support yet; "
            "remove the node that sets it."
        )


class UnsupportedPatches(SamplingError):
    """A node asks for changes inside the network at places that this kind of network doesn't have."""

    def __init__(self, network: str, kinds: Iterable[str]) -> None:
        self.network, self.kinds = network, tuple(sorted(kinds))
        super().__init__(self.network, self.kinds)

    def __str__(self) -> str:
        said = ", ".join(kind.replace("_", " ") for kind in self.kinds)
        return (
            f"A node changes what happens inside the network ({said}), and {self.network} has no such place; "
            "remove the node, or use a model it is made for."
        )


class AreaOutside(SamplingError):
    """No cell of the latent lies in a conditioning entry's area (sizes, then starts, in cells)."""

    def __init__(self, area: Iterable[int], latent: Iterable[int]) -> None:
        self.area, self.latent = tuple(area), tuple(latent)
        super().__init__(self.area, self.latent)

    def __str__(self) -> str:
        half = len(self.area) // 2
        return (
            f"A conditioning area of {_sides(self.area[:half])} cells at {self.area[half:]} lies outside the latent, "
            f"which has {_sides(self.latent)} cells; move it, or make the latent larger."
        )


def _sides(lengths: Iterable[int]) -> str:
    return " x ".join(map(str, lengths))

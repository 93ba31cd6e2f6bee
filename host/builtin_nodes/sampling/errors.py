"""What can go wrong in sampling.

SamplingError
├── AreaOutside               a conditioning entry's area lies beyond the latent
└── UnsupportedConditioning   a conditioning entry asks for something this host can't do
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

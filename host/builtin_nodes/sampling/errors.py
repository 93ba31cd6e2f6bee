"""What can go wrong in sampling.

SamplingError
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

"""What an annotation may say about an input beyond its type.

``strength: Annotated[float, Range(0, 1, 0.01)] = 0.5`` and
``sampler: Annotated[str, Choice(source="samplers")]``. Each marker contributes options that front ends know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class OptionMarker(Protocol):
    """A marker that adds options to an input's declaration."""

    def options(self) -> Mapping[str, Any]:
        """The options, by the names that front ends read."""


@dataclass(frozen=True)
class Range:
    """Smallest and largest value, and the widget's step; for INT and FLOAT.

    Raises:
        ValueError: the minimum is above the maximum, or the step is not positive.
    """

    minimum: float
    maximum: float
    step: float | None = None
    round: float | None = None

    def __post_init__(self) -> None:
        if self.minimum > self.maximum:
            raise ValueError(f"Range({self.minimum}, {self.maximum}): the minimum is above the maximum")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"Range(step={self.step}): a step must be positive")

    def options(self) -> Mapping[str, Any]:
        said = {"min": self.minimum, "max": self.maximum, "step": self.step, "round": self.round}
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True)
class Choice:
    """One of a list: fixed ``values``, or what the host offers under ``source``.

    Sources: ``folder:<kind>`` for the files of a model folder, ``input`` for uploaded files, ``samplers``,
    ``schedulers``, and any that a pack registers.
    """

    values: tuple[Any, ...] = ()
    source: str | None = None

    def __post_init__(self) -> None:
        if bool(self.values) == bool(self.source):
            raise ValueError("Choice needs either values or a source, and not both")


@dataclass(frozen=True)
class TypedCombo:
    """Write a list of choices in the newer spelling, ``["COMBO", {"options": […]}]``, which may carry more options.

    ``mode: Annotated[Literal["a", "b"], TypedCombo()]``; front ends that know ``remote`` or buttons for uploads read
    them there, from ``Options``.

    Attributes:
        multiselect: whether several may be chosen at once; said only where it is given.
    """

    multiselect: bool | None = None

    def options(self) -> Mapping[str, Any]:
        return {} if self.multiselect is None else {"multiselect": self.multiselect}


@dataclass(frozen=True)
class Shaped:
    """What an image, mask or latent must measure beyond what its socket says; anything else is refused by name.

    ``Annotated[Latent, Shaped(dimensions=(4, 5))]`` takes pictures and videos, and no sound.

    Attributes:
        dimensions: numbers of dimensions that the node can work on; empty for any.
        channels: fewest channels.
        side: smallest height and width, in pixels or cells.
        batch: fewest items.
    """

    dimensions: tuple[int, ...] = ()
    channels: int = 0
    side: int = 1
    batch: int = 0


@dataclass(frozen=True)
class Multiline:
    """A text box of several lines; ``dynamic`` expands ``{a|b}`` in the browser."""

    dynamic: bool = False

    def options(self) -> Mapping[str, Any]:
        return {"multiline": True, **({"dynamicPrompts": True} if self.dynamic else {})}


@dataclass(frozen=True)
class Tooltip:
    """One sentence shown when pointing at the input; overrides the docstring's."""

    text: str

    def options(self) -> Mapping[str, Any]:
        return {"tooltip": self.text}


@dataclass(frozen=True)
class Seed:
    """A random seed: 0..2^64-1, with the browser's fixed/increment/randomise control."""

    def options(self) -> Mapping[str, Any]:
        return {"min": 0, "max": 2**64 - 1, "control_after_generate": True}


@dataclass(frozen=True)
class ForceInput:
    """Only a link can fill this input; it gets no widget."""

    def options(self) -> Mapping[str, Any]:
        return {"forceInput": True}


@dataclass(frozen=True)
class Lazy:
    """Computed only when the node's ``check_lazy`` asks for it; until then the value is None."""

    def options(self) -> Mapping[str, Any]:
        return {"lazy": True}


@dataclass(frozen=True)
class RawLink:
    """The node gets the link itself, ``[node id, output]``, instead of the linked value."""

    def options(self) -> Mapping[str, Any]:
        return {"rawLink": True}


@dataclass(frozen=True)
class Omittable:
    """A prompt may leave this input out; the function's default applies then."""


@dataclass(frozen=True)
class Options:
    """Any other options a front end knows, by their names: ``Options({"image_upload": True})``."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def options(self) -> Mapping[str, Any]:
        return self.values


class Hidden(StrEnum):
    """Values the engine fills in without a socket: ``uid: Annotated[str, Hidden.UNIQUE_ID]``."""

    UNIQUE_ID = "UNIQUE_ID"
    PROMPT = "PROMPT"
    EXTRA_PNGINFO = "EXTRA_PNGINFO"
    DYNPROMPT = "DYNPROMPT"
    AUTH_TOKEN = "AUTH_TOKEN_COMFY_ORG"
    API_KEY = "API_KEY_COMFY_ORG"

"""What the configuration file of latent diffusion's training code says of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sdk import ModelHandle, NodeError

_LONGEST = 1_000_000


class UnreadableConfig(NodeError):
    """A configuration file can't be used.

    Attributes:
        path: of the file.
        reason: in a few words.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path.name} can't be used as a checkpoint's configuration: {self.reason}. Choose another file."


@dataclass(frozen=True)
class TrainingConfig:
    """The facts that count.

    Attributes:
        velocity: the network predicts the velocity.
        layer: of the text encoder whose states are used, counted from the end; None for the usual one.
    """

    velocity: bool
    layer: int | None

    def applied(self, model: ModelHandle, clip: Any) -> tuple[ModelHandle, Any]:
        """The model and its text encoder as the configuration wants them."""
        if self.velocity:
            from host.builtin_nodes.sampling.parametrisation import discrete
            from host.builtin_nodes.sampling.predictions import Velocity

            model = model.with_options(parametrisation=discrete(Velocity()))
        if self.layer is not None:
            clip = clip.with_options(stop_at_layer=self.layer)
        return model, clip


def read_training_config(path: Path) -> TrainingConfig:
    """The facts in a file; raises UnreadableConfig."""
    try:
        if path.stat().st_size > _LONGEST:
            raise UnreadableConfig(path, "it is too long")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UnreadableConfig(path, f"it is no YAML ({error})") from error
    params = _section(path, _section(path, content, "model"), "params")
    text = _section(path, params, "cond_stage_config").get("params") or {}
    layer = text.get("layer_idx") if isinstance(text, dict) else None
    if layer is not None and type(layer) is not int:
        raise UnreadableConfig(path, f"layer_idx is {layer!r}")
    return TrainingConfig(velocity=params.get("parameterization") == "v", layer=layer)


def _section(path: Path, content: Any, name: str) -> Mapping[str, Any]:
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise UnreadableConfig(path, f"it has no section {name!r}")
    return found

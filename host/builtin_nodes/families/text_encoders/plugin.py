"""The family of text encoders from files of their own that are opened together for one denoiser."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.text_encoders.detection import DEVICE_FACT, FAMILY, detect
from host.builtin_nodes.families.text_encoders.encoders import encoders_from_json
from host.builtin_nodes.families.text_encoders.kinds import USES
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl


class TextEncodersFamily:
    """CLIP and T5 encoders in one to three files, opened together by a loader that says what they are for."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether these are text encoders that serve the model a loader has named."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``text_encoder``."""
        return [USES[identity.config["for"]].part(header, encoders_from_json(identity.config["encoders"]))]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [TextEncodersFamily()]


@hookimpl
def choose_device(identity: Identity) -> str | None:
    """Where a loader of text encoders wants them."""
    chosen = identity.config.get(DEVICE_FACT) if identity.family == FAMILY else None
    return str(chosen) if chosen is not None else None

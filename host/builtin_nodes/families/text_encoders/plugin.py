"""The family of text encoders from files of their own that are opened together for one denoiser."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts
from host.builtin_nodes.families.text_encoders.detection import DEVICE_FACT, FAMILY, detect
from host.builtin_nodes.families.text_encoders.encoders import encoders_from_json
from host.builtin_nodes.families.text_encoders.kinds import USE_FACT, USES, UnfitEncoders
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl

_UNFIT = "unfit"


class TextEncodersFamily:
    """CLIP and T5 encoders in one to three files, opened together by a loader that says what they are for."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether a loader has named the model that these text encoders serve."""
        answer = identified(header, detect)
        return _as_stated(header, answer) if isinstance(answer, Refusal) else answer

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``text_encoder``; raises UnfitEncoders where the files don't serve that model."""
        facts = identity.config
        if _UNFIT in facts:
            raise UnfitEncoders(facts["for"], facts[_UNFIT])
        return [USES[facts["for"]].part(header, encoders_from_json(facts["encoders"]))]


def _as_stated(header: Header, refusal: Refusal) -> Identity | Refusal:
    """What a loader says the files are, whatever is in them: no other family has anything to say about those."""
    try:
        use = stated_facts(header).get(USE_FACT)
    except LayoutError:
        return refusal
    if use not in USES:
        return refusal
    facts = {"for": use, _UNFIT: refusal.reason}
    return Identity(family=FAMILY, kind="text_encoder", config=facts, because="a loader says so")


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [TextEncodersFamily()]


@hookimpl
def choose_device(identity: Identity) -> str | None:
    """Where a loader of text encoders wants them."""
    chosen = identity.config.get(DEVICE_FACT) if identity.family == FAMILY else None
    return str(chosen) if chosen is not None else None

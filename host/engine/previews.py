"""Which pictures of a job's steps are wanted, and the plugins' functions that make them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from host.engine.services import NodeServices
from sdk.previews import LatentPreview, Previewer

logger = logging.getLogger(__name__)

METHODS = ("none", "auto", "latent2rgb", "taesd")
OVERRIDE = "preview_method"
"""Key of a job's extra data that replaces the host's own method; ``default`` leaves it."""

_ASKED: Mapping[str, tuple[str, ...]] = {"auto": ("taesd", "latent2rgb"), "taesd": ("taesd", "latent2rgb")}
"""Methods to ask for in turn; any other one alone."""


class JobPreviews:
    """The previews of one job. ``picture`` is called on the run's threads; what it gives, on any.

    Args:
        method: one of ``METHODS``, or one that a pack knows.
        hooks: a pluggy manager's ``hook``.
        services: what previewers may use while they are made.
    """

    def __init__(self, method: str, hooks: Any, services: NodeServices) -> None:
        self._method, self._hooks, self._services = method, hooks, services
        self._previewers: dict[str, Previewer | None] = {}

    def picture(self, preview: Any) -> Callable[[], Any] | None:
        """What makes the picture of a step, or None where none is wanted.

        Pictures that a node made itself are always shown; latents as the method says.
        """
        if not isinstance(preview, LatentPreview):
            return None if preview is None else lambda: preview
        if self._method == "none":
            return None
        key = preview.model.key
        if key not in self._previewers:
            self._previewers[key] = self._previewer(preview)
        previewer = self._previewers[key]
        return None if previewer is None else partial(self._call, key, previewer, preview.latent)

    def _previewer(self, preview: LatentPreview) -> Previewer | None:
        asked = _ASKED.get(self._method, (self._method,))
        for method in asked:
            try:
                found: Previewer | None = self._hooks.choose_previewer(
                    method=method, model=preview.model, models=self._services.models, folders=self._services.folders
                )
            except Exception as error:  # noqa: BLE001  calling a pack: a preview is never worth a job
                logger.warning("no %s previews of %s: %s", method, preview.model.identity.family, error)
                continue
            if found is not None:
                if self._method == "taesd" and method != "taesd":
                    logger.warning("no small decoder for %s in models/vae_approx", preview.model.identity.family)
                return found
        logger.warning("no previews of %s: no pack makes them by %s", preview.model.identity.family, " or ".join(asked))
        return None

    def _call(self, key: str, previewer: Previewer, latent: Any) -> Any:
        """The picture; None, and no further ones, if the plugin fails."""
        try:
            return previewer(latent)
        except Exception as error:
            logger.warning("no more previews in this job: %s", error, exc_info=error)
            self._previewers[key] = None
            return None


def wanted_method(extra_data: Mapping[str, Any], default: str) -> str:
    """The method for a job: the one its client asks for, or the host's."""
    asked = extra_data.get(OVERRIDE)
    if asked is None or asked == "default":
        return default
    if asked in METHODS:
        return str(asked)
    logger.warning("there is no preview method %r; known are %s", asked, ", ".join(METHODS))
    return default

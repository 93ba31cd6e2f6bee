"""Extension points of the host itself. Arguments may be added, never renamed or removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pluggy

from sdk.context import Folders
from sdk.hooks import PROJECT
from sdk.models import ModelAccess, ModelFolder, ModelHandle
from sdk.pack_commands import Command
from sdk.previews import Previewer
from sdk.web import Route, WebDirectory, WebServer

hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def register_folders() -> Iterable[ModelFolder]:
    """Return kinds of model files this pack reads, with their folders. Called once, when the pack is loaded.

    Files of a kind are offered by ``Choice(source="folder:<kind>")`` and found by ``context.folders.find(kind, name)``.
    Several packs may name the same kind; their folders are searched in the order of loading.
    """
    raise AssertionError("a specification is never called")


@hookspec(firstresult=True)
def choose_values(source: str, folders: Folders) -> Sequence[str] | None:
    """Return what a list of choices offers now, or None for a source that isn't this pack's; the first answer wins.

    Asked once per prompt for each ``Choice(source=…)`` that is neither of files nor of samplers or schedules. Example:
    ``return ["none", *folders.names("vae")] if source == "my-pack/autoencoders" else None``.
    """


@hookspec
def register_routes() -> Iterable[Route]:
    """Return routes this pack adds to the web API. Called once, when the pack is loaded.

    Each exists under its path and below ``/api``; the host's own routes go first, and a route offered by two packs is
    an error that names both. Example: ``return [Route(path="/my-pack/languages", handler=languages)]``.
    """
    raise AssertionError("a specification is never called")


@hookspec
def before_serving(server: WebServer) -> None:
    """Told once, when a server is put together, what this pack may do with it; runs without a server never call it.

    Keep ``server`` to send messages to clients later, or give it an ASGI application for what ``register_routes`` has
    no words for. Example: ``server.add(MyApplication())``.
    """


@hookspec
def register_web_directories() -> Iterable[WebDirectory]:
    """Return folders for the graph editor: scripts, translations, example workflows. Called once, at loading.

    Example: ``return [WebDirectory(folder=Path(__file__).parent / "web")]`` serves the folder below
    ``/extensions/<pack>/`` and has the editor load its scripts.
    """
    raise AssertionError("a specification is never called")


@hookspec
def register_commands() -> Iterable[Command]:
    """Return commands this pack adds to ``comfy-nodes``. Called once, when the pack is loaded.

    Packs are loaded for a command only if it is none of the built-in ones, which go first. Example:
    ``return [Command(name="my-report", function=report)]``, where ``report`` is annotated as typer reads it.
    """
    raise AssertionError("a specification is never called")


@hookspec(firstresult=True)
def choose_previewer(method: str, model: ModelHandle, models: ModelAccess, folders: Folders) -> Previewer | None:
    """Return what turns latents of ``model`` into pictures, or None if this pack can't; the first answer wins.

    Called on the sampling thread, once per job and model, while the model is borrowed: here models may be opened and
    borrowed. What it returns is called on another thread with a latent [batch, channel, height, width] in the
    network's space, must not borrow, and gives a Pillow image of the first picture.

    ``method`` is ``latent2rgb`` (a quick estimate) or ``taesd`` (a small decoder); a pack may know others.
    """

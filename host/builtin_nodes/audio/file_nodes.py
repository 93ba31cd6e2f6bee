"""Nodes that read and write sounds."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from host.builtin_nodes.images import saving
from sdk import (
    Audio,
    Choice,
    Hidden,
    NodeContext,
    NodeError,
    NodeResult,
    NodeType,
    Options,
    Socket,
    hookimpl,
    node,
)

if TYPE_CHECKING:
    from host.builtin_nodes.audio.encoding import SoundFormat

_CATEGORY = "audio"
_Prompt = Annotated[Any, Hidden.PROMPT]
_Workflow = Annotated[Any, Hidden.EXTRA_PNGINFO]
_Recording = Annotated[Any, Socket("AUDIO_RECORD", "name of the sound that the browser recorded and uploaded")]


def _named(audio: str) -> bool | str:
    return True if audio and isinstance(audio, str) else f"Invalid audio file: {audio}"


@node(
    id="LoadAudio",
    title="Load Audio",
    category=_CATEGORY,
    output_tooltips=("The sound.",),
    reads=("audio",),
    validate=_named,
)
def load_audio(
    audio: Annotated[str, Choice(source="input:audio"), Options({"audio_upload": True})], context: NodeContext
) -> Audio:
    """Read a sound, or the sound of a video, from the input folder.

    Args:
        audio: File in the input folder. "name [output]" and "name [temp]" take it from those folders.
    """
    from host.builtin_nodes.video.decoding import read_sound

    try:
        path = context.folders.input_file(audio)
    except NodeError as error:
        raise NodeError(f"Invalid audio file: {audio}. {error}") from error
    return read_sound(path)


@node(
    id="RecordAudio",
    title="Record Audio",
    category=_CATEGORY,
    output_tooltips=("The sound.",),
    reads=("audio",),
    validate=_named,
)
def record_audio(audio: _Recording, context: NodeContext) -> Audio:
    """Record a sound with the microphone of the browser's computer.

    Args:
        audio: The recording, as the browser has uploaded it.
    """
    return load_audio(audio, context)


@node(id="SaveAudio", title="Save Audio (FLAC)", category=_CATEGORY, output_node=True, returns=type(None))
def save_audio(
    context: NodeContext,
    audio: Audio,
    filename_prefix: str = "audio/ComfyUI",
    prompt: _Prompt = None,
    extra_pnginfo: _Workflow = None,
) -> NodeResult:
    """Save sounds without loss as FLAC files in the output folder, with the workflow inside.

    Args:
        audio: The sounds; each of a batch becomes a file of its own.
        filename_prefix: Start of the file names, with the same tokens as in Save Image.
    """
    from host.builtin_nodes.audio.encoding import FLAC

    return _save(audio, FLAC, context, _metadata(prompt, extra_pnginfo), filename_prefix)


@node(id="SaveAudioMP3", title="Save Audio (MP3)", category=_CATEGORY, output_node=True, returns=type(None))
def save_audio_mp3(
    context: NodeContext,
    audio: Audio,
    filename_prefix: str = "audio/ComfyUI",
    quality: Literal["V0", "128k", "320k"] = "V0",
    prompt: _Prompt = None,
    extra_pnginfo: _Workflow = None,
) -> NodeResult:
    """Save sounds as MP3 files in the output folder, with the workflow inside.

    Args:
        audio: The sounds; each of a batch becomes a file of its own.
        filename_prefix: Start of the file names, with the same tokens as in Save Image.
        quality: V0 takes as many bits as the sound needs; the others are fixed bit rates.
    """
    from host.builtin_nodes.audio.encoding import mp3

    return _save(audio, mp3(quality), context, _metadata(prompt, extra_pnginfo), filename_prefix)


@node(id="SaveAudioOpus", title="Save Audio (Opus)", category=_CATEGORY, output_node=True, returns=type(None))
def save_audio_opus(
    context: NodeContext,
    audio: Audio,
    filename_prefix: str = "audio/ComfyUI",
    quality: Literal["64k", "96k", "128k", "192k", "320k"] = "128k",
    prompt: _Prompt = None,
    extra_pnginfo: _Workflow = None,
) -> NodeResult:
    """Save sounds as Opus files in the output folder, with the workflow inside.

    Args:
        audio: The sounds; each of a batch becomes a file of its own. Other sample rates become the next higher one
            that Opus has, at most 48 kHz.
        filename_prefix: Start of the file names, with the same tokens as in Save Image.
        quality: Bits a second.
    """
    from host.builtin_nodes.audio.encoding import opus

    return _save(audio, opus(quality), context, _metadata(prompt, extra_pnginfo), filename_prefix)


@node(id="PreviewAudio", title="Preview Audio", category=_CATEGORY, output_node=True, returns=type(None))
def preview_audio(
    context: NodeContext, audio: Audio, prompt: _Prompt = None, extra_pnginfo: _Workflow = None
) -> NodeResult:
    """Play sounds without keeping them.

    Args:
        audio: The sounds. They go to the temporary folder, which is emptied at every start.
    """
    from host.builtin_nodes.audio.encoding import FLAC

    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))
    return _save(audio, FLAC, context, _metadata(prompt, extra_pnginfo), f"ComfyUI_temp_{letters}", root="temp")


def _save(
    audio: Any,
    wanted: SoundFormat,
    context: NodeContext,
    metadata: Mapping[str, str],
    prefix: str,
    *,
    root: str = "output",
) -> NodeResult:
    """Each sound of a batch as a file of its own."""
    from host.builtin_nodes.audio.encoding import write_sound_file

    if audio is None:
        raise NodeError("There is no sound to save: the video that it was taken from has none.")
    place = context.folders.place(prefix, root=root)
    shown, number = [], place.counter
    for index, waveform in enumerate(audio["waveform"]):
        context.cancel.raise_if_cancelled()
        sound = {"waveform": waveform[None], "sample_rate": audio["sample_rate"]}
        stem = place.stem.replace("%batch_num%", str(index))
        file = saving.save_numbered(
            place,
            partial(write_sound_file, audio=sound, wanted=wanted, metadata=metadata),
            suffix=f".{wanted.container}",
            number=number,
            stem=stem,
        )
        number = file.number + 1
        shown.append(file.shown())
    return NodeResult(ui={"audio": shown})


def _metadata(prompt: Any, extra: Mapping[str, Any] | None) -> dict[str, str]:
    entries = {} if prompt is None else {"prompt": prompt}
    return {key: json.dumps(value) for key, value in {**entries, **(extra or {})}.items()}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for sounds in files."""
    return [load_audio, record_audio, save_audio, save_audio_mp3, save_audio_opus, preview_audio]

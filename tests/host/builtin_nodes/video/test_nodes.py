"""Videos written and read again."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from torch import Tensor

from host.builtin_nodes.video.errors import UnfitFrames, UnreadableMedia
from host.builtin_nodes.video.nodes import create_video, get_video_components, load_video, save_video, save_webm
from sdk import NodeError
from tests.support.node_context import LoneContext, context_in

PROMPT = {"1": {"class_type": "Ünïcode", "inputs": {}}}


def frames(count: int = 6, height: int = 32, width: int = 48) -> Tensor:
    """A grey that brightens from frame to frame, with a red left half."""
    images = torch.linspace(0.2, 0.8, count)[:, None, None, None].expand(count, height, width, 3).clone()
    images[:, :, : width // 2, 1:] *= 0.5
    return images


def tone(seconds: float, rate: int = 22050) -> dict[str, Any]:
    time = torch.arange(int(seconds * rate)) / rate
    wave = 0.5 * torch.sin(2 * torch.pi * 440 * time)
    return {"waveform": wave.expand(1, 2, -1).clone(), "sample_rate": rate}


def read_back(context: LoneContext, shown: dict[str, Any]) -> Any:
    name = "/".join(filter(None, (shown["subfolder"], shown["filename"])))
    return load_video(f"{name} [output]", context)


def saved(context: LoneContext, video: Any, **options: Any) -> dict[str, Any]:
    result = save_video(context, video, **{"filename_prefix": "clips/a", "prompt": PROMPT, **options})
    assert result.ui["animated"] == (True,)
    (shown,) = result.ui["images"]
    return shown


def test_a_video_comes_back_with_its_frames_rate_and_sound(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    shown = saved(context, create_video(frames(), 12.0, tone(0.5)))
    assert shown == {"filename": "a_00001_.mp4", "subfolder": "clips", "type": "output"}
    images, audio, fps = get_video_components(read_back(context, shown))
    assert (images.shape, fps) == ((6, 32, 48, 3), 12.0)
    assert float((images - frames()).abs().mean()) < 0.03
    assert audio["sample_rate"] == 22050
    assert audio["waveform"].shape[:2] == (1, 2)
    heard = audio["waveform"][0, 0, 4000:8000]
    assert heard.abs().max() == pytest.approx(0.5, abs=0.05)


def test_the_workflow_is_inside(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    shown = saved(context, create_video(frames(), 8.0), extra_pnginfo={"workflow": {"nodes": [1]}})
    with av.open(str(tmp_path / "output" / "clips" / shown["filename"])) as container:
        assert json.loads(container.metadata["prompt"]) == PROMPT
        assert json.loads(container.metadata["workflow"]) == {"nodes": [1]}


def test_a_video_from_a_file_of_the_same_format_is_copied_without_loss(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    first = read_back(context, saved(context, create_video(frames(), 8.0, tone(0.3))))
    second = read_back(context, saved(context, first, prompt={"2": {}}))
    assert first.path != second.path
    assert torch.equal(first.get_components().images, second.get_components().images)
    assert torch.equal(first.get_components().audio["waveform"], second.get_components().audio["waveform"])
    with av.open(str(second.path)) as container:
        assert json.loads(container.metadata["prompt"]) == {"2": {}}


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_a_webm_is_written_and_can_become_an_mp4(codec: str, tmp_path: Path) -> None:
    context = context_in(tmp_path)
    result = save_webm(context, frames(4, 64, 64), "w", codec=codec, fps=7.5, prompt=PROMPT)
    (shown,) = result.ui["images"]
    assert shown["filename"] == "w_00001_.webm"
    with av.open(str(tmp_path / "output" / "w_00001_.webm")) as container:
        assert container.streams.video[0].codec_context.name in (codec, "libdav1d")
        assert {key.lower() for key in container.metadata} >= {"prompt"}
    video = read_back(context, shown)
    assert video.get_dimensions() == (64, 64)
    assert video.get_components().frame_rate == Fraction(15, 2)
    again = read_back(context, saved(context, video))
    assert again.get_components().images.shape == (4, 64, 64, 3)


def test_h264_refuses_odd_sides_and_leaves_nothing_behind(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    with pytest.raises(UnfitFrames, match=r"33 x 32 pixels can't be saved as H\.264: both sides must be even"):
        saved(context, create_video(frames(2, 32, 33), 8.0))
    assert list((tmp_path / "output" / "clips").iterdir()) == []


def test_a_file_that_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "broken.mp4").write_bytes(b"no video at all")
    context = context_in(tmp_path)
    with pytest.raises(UnreadableMedia, match=r"broken\.mp4 can't be read as a video"):
        load_video("broken.mp4", context).get_components()
    with pytest.raises(NodeError, match=r"Invalid video file: missing\.mp4"):
        load_video("missing.mp4", context)


def test_a_sound_alone_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    path = tmp_path / "input" / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        stream.codec_context.open()
        samples = torch.zeros(1, 800, dtype=torch.int16).numpy()
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UnreadableMedia, match="no pictures"):
        load_video("sound.wav", context_in(tmp_path)).get_dimensions()

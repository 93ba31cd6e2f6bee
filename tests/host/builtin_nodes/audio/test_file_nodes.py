"""Sounds written and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest
import torch

from host.builtin_nodes.audio import file_nodes as nodes
from host.builtin_nodes.audio.resampling import resampled
from host.builtin_nodes.video.errors import UnreadableMedia
from sdk import NodeError, NodeResult
from tests.support.node_context import context_in

RATE = 22050


def tone(batch: int = 1, channels: int = 2, seconds: float = 0.5, rate: int = RATE) -> dict[str, Any]:
    time = torch.arange(int(seconds * rate)) / rate
    pitches = 440.0 * torch.arange(1, batch + 1)[:, None, None]
    waveform = 0.5 * torch.sin(2 * torch.pi * pitches * time)
    return {"waveform": waveform.expand(batch, channels, -1).clone(), "sample_rate": rate}


def pitch(audio: dict[str, Any]) -> float:
    wave = audio["waveform"][0, 0]
    spectrum = torch.fft.rfft(wave).abs()
    return float(spectrum.argmax()) * audio["sample_rate"] / len(wave)


def shown(result: NodeResult) -> list[dict[str, str]]:
    assert result.ui is not None
    return list(result.ui["audio"])


def test_flac_keeps_every_sample(tmp_path: Path) -> None:
    context, audio = context_in(tmp_path), tone()
    (file,) = shown(nodes.save_audio(context, audio))
    assert file == {"filename": "ComfyUI_00001_.flac", "subfolder": "audio", "type": "output"}
    found = nodes.load_audio("audio/ComfyUI_00001_.flac [output]", context)
    assert found["sample_rate"] == RATE
    torch.testing.assert_close(found["waveform"], audio["waveform"], atol=2**-15, rtol=0)


def test_a_sound_without_samples_is_not_saved_but_can_be_resampled(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="no samples"):
        nodes.save_audio(context_in(tmp_path), tone(seconds=0))
    with pytest.raises(NodeError, match="There is no sound"):
        nodes.preview_audio(context_in(tmp_path), None)
    assert resampled(torch.zeros(1, 2, 0), 8000, 44100).shape == (1, 2, 0)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("save", "quality", "suffix", "rate"),
    [
        (nodes.save_audio_mp3, "V0", "mp3", RATE),
        (nodes.save_audio_mp3, "128k", "mp3", RATE),
        (nodes.save_audio_opus, "64k", "opus", 48000),
    ],
)
def test_lossy_files_keep_the_tone(
    save: Any, quality: str, suffix: str, rate: int, channels: int, tmp_path: Path
) -> None:
    context = context_in(tmp_path)
    (file,) = shown(save(context, tone(channels=channels), "a", quality))
    assert file["filename"] == f"a_00001_.{suffix}"
    found = nodes.load_audio(f"{file['filename']} [output]", context)
    assert found["sample_rate"] == rate
    assert found["waveform"].shape[:2] == (1, channels)
    assert found["waveform"].shape[2] / rate == pytest.approx(0.5, abs=0.08)
    assert pitch(found) == pytest.approx(440, abs=5)


def test_each_sound_of_a_batch_becomes_a_file(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    files = shown(nodes.save_audio(context, tone(batch=2), "b"))
    names = [file["filename"] for file in files]
    assert names == ["b_00001_.flac", "b_00002_.flac"]
    assert [pitch(nodes.load_audio(f"{name} [output]", context)) for name in names] == pytest.approx([440, 880], abs=5)


def test_the_workflow_is_inside(tmp_path: Path) -> None:
    nodes.save_audio(context_in(tmp_path), tone(), "c", prompt={"1": {}}, extra_pnginfo={"workflow": {"nodes": []}})
    with av.open(str(tmp_path / "output" / "c_00001_.flac")) as container:
        said = {key.lower(): json.loads(value) for key, value in container.metadata.items() if key != "encoder"}
    assert said["prompt"] == {"1": {}}
    assert said["workflow"] == {"nodes": []}


def test_a_preview_goes_to_the_temporary_folder(tmp_path: Path) -> None:
    (file,) = shown(nodes.preview_audio(context_in(tmp_path), tone()))
    assert file["type"] == "temp"
    assert (tmp_path / "temp" / file["filename"]).is_file()


def test_a_recording_is_read_like_a_file(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    nodes.save_audio(context, tone(), "r")
    assert pitch(nodes.record_audio("r_00001_.flac [output]", context)) == pytest.approx(440, abs=5)


def test_a_file_without_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "noise.mp3").write_bytes(b"nothing to hear")
    with pytest.raises(UnreadableMedia, match=r"noise\.mp3 can't be read as a sound"):
        nodes.load_audio("noise.mp3", context_in(tmp_path))
    with pytest.raises(NodeError, match=r"Invalid audio file: gone\.wav"):
        nodes.load_audio("gone.wav", context_in(tmp_path))

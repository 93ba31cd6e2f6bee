"""Text encoders from files of their own: which are taken for what, and what becomes of prompts."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor

from host.builtin_nodes.families.flux.nodes import clip_text_encode_flux
from host.builtin_nodes.families.sd3.nodes import clip_text_encode_sd3
from host.builtin_nodes.families.t5.config import T5Config
from host.builtin_nodes.families.t5.module import build_t5
from host.builtin_nodes.families.text_encoders.plugin import TextEncodersFamily, choose_device
from host.builtin_nodes.loaders.text_encoders import clip_loader, dual_clip_loader, triple_clip_loader
from host.builtin_nodes.text.clip_model import clip_config, clip_text_model
from host.folders import LocalFolders
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice
from sdk import NodeError
from sdk.models import CONFIG_METADATA
from tests.support.node_context import LoneContext, context_in

WIDTHS = {"clip_l": 16, "clip_g": 24, "t5xxl": 64}
FOLDER = "text_encoders"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one small encoder of each kind, and a vocabulary of single characters."""
    folder = tmp_path_factory.mktemp("written") / "models"
    (folder / FOLDER / "t5").mkdir(parents=True)
    torch.manual_seed(0)
    for key in ("clip_l", "clip_g"):
        config = clip_config(
            vocabulary=49408, width=WIDTHS[key], mlp=32, layers=2, heads=2, positions=77, projection=WIDTHS[key]
        )
        weights = clip_text_model(config, projected=True).state_dict()
        _save(folder, key, weights, {"text_encoder": key, f"{key}.heads": 2})
    t5 = T5Config(vocabulary=32128, width=WIDTHS["t5xxl"], inner=32, layers=1, heads=2, head=8, buckets=32)
    weights = build_t5(t5).state_dict()
    weights.pop("encoder.embed_tokens.weight", None)
    _save(folder, "t5xxl", weights, {})
    characters = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((chr(code), -1.0) for code in range(97, 123))]
    tokenizer = Tokenizer(models.Unigram([*characters, ("\u2581", -1.0)], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(folder / FOLDER / "t5" / "tokenizer.json"))
    return folder


def _save(folder: Path, key: str, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    kept = {name: tensor.clone() for name, tensor in weights.items()}
    save_file(kept, folder / FOLDER / f"{key}.safetensors", {CONFIG_METADATA: json.dumps(facts)})


@pytest.fixture
def context(written: Path, tmp_path: Path) -> LoneContext:
    shutil.copytree(written, tmp_path / "models", copy_function=lambda a, b: Path(b).hardlink_to(a))
    library = Library([tmp_path / "models"])
    made = context_in(tmp_path)
    made.folders = LocalFolders(tmp_path, library)
    made.models = ModelManager(library, [TextEncodersFamily()], [], CpuDevice())
    return made


def file(key: str) -> str:
    return f"{key}.safetensors"


def test_flux_takes_t5_s_states_and_clip_l_s_pooled_vector_whatever_the_order_of_files(context: LoneContext) -> None:
    given = {"clip_l": "a cat", "t5xxl": "a (red:1.2) cat", "guidance": 2.0, "context": context}
    one = dual_clip_loader(clip_name1=file("clip_l"), clip_name2=file("t5xxl"), type="flux", context=context)
    other = dual_clip_loader(clip_name1=file("t5xxl"), clip_name2=file("clip_l"), type="flux", context=context)

    ((states, options),) = clip_text_encode_flux(clip=one, **given)
    assert states.shape == (1, 256, WIDTHS["t5xxl"])
    assert options["pooled_output"].shape == (1, WIDTHS["clip_l"])
    assert options["guidance"] == 2.0
    ((again, _),) = clip_text_encode_flux(clip=other, **given)
    assert torch.equal(again, states)


def test_stable_diffusion_3_puts_its_encoders_side_by_side_and_one_after_another(context: LoneContext) -> None:
    clip = triple_clip_loader(file("t5xxl"), file("clip_g"), file("clip_l"), context)
    ((states, options),) = clip_text_encode_sd3(clip, "a", "b", "c", "none", context)

    assert states.shape == (1, 77 + 77, WIDTHS["t5xxl"])
    assert torch.count_nonzero(states[:, :77, WIDTHS["clip_l"] + WIDTHS["clip_g"] :]) == 0
    assert options["pooled_output"].shape == (1, WIDTHS["clip_l"] + WIDTHS["clip_g"])


def test_an_empty_prompt_is_an_end_token_alone_or_a_prompt_without_words(context: LoneContext) -> None:
    clip = triple_clip_loader(file("t5xxl"), file("clip_g"), file("clip_l"), context)
    ((nothing, options),) = clip_text_encode_sd3(clip, "", "", "", "none", context)
    assert nothing.shape == (1, 1, WIDTHS["t5xxl"])
    assert torch.count_nonzero(options["pooled_output"]) == 0
    ((wordless, _),) = clip_text_encode_sd3(clip, "", "", "", "empty_prompt", context)
    assert torch.count_nonzero(wordless[:, :77, : WIDTHS["clip_l"]]) > 0

    ((half, options),) = clip_text_encode_sd3(clip, "", "b", "", "none", context)
    assert half.shape == (1, 77 + 1, WIDTHS["t5xxl"])
    of_clip_l = (slice(None), slice(77), slice(WIDTHS["clip_l"]))
    assert torch.allclose(half[of_clip_l], wordless[of_clip_l], atol=1e-6)  # filled up to the other one's length
    assert torch.count_nonzero(options["pooled_output"][:, WIDTHS["clip_l"] :]) > 0


def test_encoders_that_a_model_does_not_take_are_refused_with_those_it_does(context: LoneContext) -> None:
    with pytest.raises(NodeError, match=r"encoders of Flux: it takes clip_l \+ t5xxl; these are clip_l \+ clip_g\."):
        dual_clip_loader(clip_name1=file("clip_l"), clip_name2=file("clip_g"), type="flux", context=context)
    with pytest.raises(NodeError, match="encoders of Stable Diffusion 3: the same kind of text encoder is there twice"):
        dual_clip_loader(clip_name1=file("clip_l"), clip_name2=file("clip_l"), type="sd3", context=context)
    with pytest.raises(NodeError, match="'wan' can't be used here yet; choose one of stable_diffusion, stable_cascade"):
        clip_loader(clip_name=file("t5xxl"), type="wan", context=context)


def test_what_is_no_text_encoder_is_refused_with_the_file_s_place(context: LoneContext) -> None:
    place = context.folders.find(FOLDER, file("clip_l")).parent
    save_file({"model.embed_tokens.weight": torch.ones(4, 4)}, place / "language_model.safetensors")
    nf4 = dict.fromkeys(("encoder.block.0.layer.0.SelfAttention.q.weight", "shared.weight"), (8, 1))
    save_file({key: torch.ones(shape).byte() for key, shape in nf4.items()}, place / "nf4.safetensors")
    with pytest.raises(NodeError, match="no CLIP or T5 encoder in the second file"):
        dual_clip_loader(clip_name1=file("clip_l"), clip_name2=file("language_model"), type="flux", context=context)
    with pytest.raises(NodeError, match="packed in a way that isn't known here"):
        clip_loader(clip_name=file("nf4"), type="mochi", context=context)


def test_a_copy_of_the_vocabulary_is_passed_over(context: LoneContext, caplog: pytest.LogCaptureFixture) -> None:
    whole = context.folders.find(FOLDER, file("t5xxl"))
    tensors = load_file(whole)
    copied = tensors | {"encoder.embed_tokens.weight": tensors["shared.weight"].clone()}
    save_file(copied, whole.with_name("copied.safetensors"))
    for use in ("mochi", "sd3"):
        clip = clip_loader(clip_name=file("copied"), type=use, context=context)
        with caplog.at_level(logging.WARNING), context.models.borrow(clip):
            assert "not used" not in caplog.text


def test_one_encoder_serves_the_model_it_is_chosen_for(context: LoneContext) -> None:
    alone = clip_loader(clip_name=file("clip_l"), type="stable_diffusion", context=context)
    assert alone.identity.config["text_encoders"] == ["clip_l"]
    with pytest.raises(NodeError, match="got a single one"):
        clip_text_encode_flux(clip=alone, clip_l="a", t5xxl="b", context=context)
    mochi = clip_loader(clip_name=file("t5xxl"), type="mochi", context=context)
    assert (mochi.adapter.min_length, mochi.adapter.masked) == (256, True)
    sdxl = dual_clip_loader(clip_name1=file("clip_g"), clip_name2=file("clip_l"), type="sdxl", context=context)
    assert list(sdxl.adapter.encoders) == ["clip_l", "clip_g"]


def test_a_prompt_without_a_vocabulary_says_where_to_put_one(context: LoneContext, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    (context.folders.find(FOLDER, file("t5xxl")).parent / "t5" / "tokenizer.json").unlink()
    clip = dual_clip_loader(clip_name1=file("clip_l"), clip_name2=file("t5xxl"), type="flux", context=context)
    with pytest.raises(NodeError, match=r"needs T5's vocabulary .* text_encoders/t5/tokenizer\.json"):
        clip_text_encode_flux(clip=clip, clip_l="a", t5xxl="b", context=context)


def test_the_chosen_device_reaches_the_model_manager(context: LoneContext) -> None:
    chosen = clip_loader(clip_name=file("clip_l"), type="sd3", device="cpu", context=context)
    assert choose_device(chosen.identity) == "cpu"
    assert choose_device(clip_loader(clip_name=file("clip_l"), type="sd3", context=context).identity) is None

"""What packs build their own networks and samplers from computes what torch and the host's samplers do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from host.comfyui.handles import Held
from host.comfyui.home import Home
from host.comfyui.running import Running
from host.comfyui.surface import attention, k_sampling, latent_formats, layers, sample, samplers
from host.comfyui.surface.held_models import ClipVisionModel
from sdk.errors import NodeError
from sdk.models import Identity, ModelHandle
from tests.support.comfy_packs import load
from tests.support.comfy_probe import ProbedHost


def heads(x: torch.Tensor) -> torch.Tensor:
    return x.reshape(2, -1, 4, 3).transpose(1, 2)


@pytest.mark.parametrize("mask", [None, (5, 7), (2, 5, 7), (2, 1, 5, 7)])
def test_attention_is_torch_s(mask: tuple[int, ...] | None) -> None:
    q, k, v = torch.randn(2, 5, 12), torch.randn(2, 7, 12), torch.randn(2, 7, 12)
    added = None if mask is None else torch.randn(mask)
    shaped = added if added is None or added.ndim != 3 else added[:, None]
    expected = scaled_dot_product_attention(heads(q), heads(k), heads(v), attn_mask=shaped)
    assert attention.optimized_attention(q, k, v, 4, mask=added).allclose(expected.transpose(1, 2).flatten(2))
    split = [heads(part) for part in (q, k, v)]
    out = attention.optimized_attention_for_device("cpu")(*split, 4, added, skip_reshape=True, skip_output_reshape=True)
    assert out.allclose(expected)


def plain(layer: torch.nn.Module) -> torch.nn.Module:
    for weight in layer.parameters():
        torch.nn.init.normal_(weight)
    return layer


OPS = layers.manual_cast


@pytest.mark.parametrize(
    ("ours", "theirs", "shape"),
    [
        (OPS.Linear, lambda: torch.nn.Linear(4, 3), (2, 4)),
        (OPS.Conv1d, lambda: torch.nn.Conv1d(4, 3, 3, padding=1), (2, 4, 5)),
        (OPS.Conv2d, lambda: torch.nn.Conv2d(4, 3, 3, stride=2), (2, 4, 5, 5)),
        (OPS.Conv3d, lambda: torch.nn.Conv3d(4, 3, 1), (2, 4, 2, 2, 2)),
        (OPS.GroupNorm, lambda: torch.nn.GroupNorm(2, 4), (2, 4, 3)),
        (OPS.LayerNorm, lambda: torch.nn.LayerNorm(4), (2, 3, 4)),
    ],
)
def test_layers_compute_in_their_input_s_dtype(ours: type, theirs: Any, shape: tuple[int, ...]) -> None:
    expected = plain(theirs()).double()
    arguments = {
        "Linear": (4, 3), "Conv1d": (4, 3, 3, 1, 1), "Conv2d": (4, 3, 3, 2), "Conv3d": (4, 3, 1),
        "GroupNorm": (2, 4), "LayerNorm": (4,),
    }[ours.__name__]  # fmt: skip
    layer = ours(*arguments)
    layer.load_state_dict(expected.float().state_dict())
    x = torch.randn(shape, dtype=torch.float64)
    assert layer(x).allclose(expected.double()(x))
    assert layer.weight.dtype == torch.float32


def test_an_embedding_gives_its_rows_in_the_wanted_dtype() -> None:
    table = layers.disable_weight_init.Embedding(3, 2)
    torch.nn.init.normal_(table.weight)
    ids = torch.tensor([2, 0])
    assert table(ids).equal(table.weight[[2, 0]])
    assert table(ids, out_dtype=torch.float16).dtype == torch.float16


def test_a_norm_without_weights_and_convolutions_by_dimensions() -> None:
    x = torch.randn(2, 4)
    assert layers.manual_cast.LayerNorm(4, elementwise_affine=False)(x).mean().abs() < 1e-6
    assert isinstance(layers.manual_cast.conv_nd(2, 1, 1, 1), torch.nn.Conv2d)
    assert isinstance(layers.manual_cast.conv_nd(3, 1, 1, 1), torch.nn.Conv3d)
    with pytest.raises(ValueError, match="over 4 dimensions"):
        layers.manual_cast.conv_nd(4, 1, 1, 1)
    assert layers.cast_to_input(torch.ones(1), torch.ones(1, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("kind", [latent_formats.SD15, latent_formats.SDXL, latent_formats.SD3, latent_formats.Flux])
def test_latents_go_to_the_model_and_back(kind: type[latent_formats.LatentFormat]) -> None:
    latent = torch.randn(1, kind.latent_channels, 2, 2)
    assert kind().process_out(kind().process_in(latent)).allclose(latent, atol=1e-6)
    assert kind().process_in(latent).allclose((latent - kind.shift_factor) * kind().scale_factor)


def test_levels_and_steps_have_the_papers_values() -> None:
    sigmas = k_sampling.get_sigmas_karras(5, 0.1, 10.0)
    assert sigmas[[0, 4, 5]].tolist() == pytest.approx([10.0, 0.1, 0.0], abs=1e-5)
    assert k_sampling.get_sigmas_exponential(3, 0.1, 10.0).tolist() == pytest.approx([10.0, 1.0, 0.1, 0.0], abs=1e-5)
    assert k_sampling.append_zero(torch.ones(2)).tolist() == [1.0, 1.0, 0.0]
    x, denoised = torch.full((2, 1, 1), 3.0), torch.ones(2, 1, 1)
    assert k_sampling.to_d(x, torch.tensor([1.0, 2.0]), denoised).flatten().tolist() == [2.0, 1.0]
    down, up = k_sampling.get_ancestral_step(2.0, 1.0)
    assert down**2 + up**2 == pytest.approx(1.0)
    assert [float(part) for part in k_sampling.get_ancestral_step(2.0, 1.0, eta=0.0)] == [1.0, 0.0]


def test_step_noise_is_that_of_the_seed() -> None:
    x = torch.zeros(1, 4, 2, 2)
    drawn = [k_sampling.default_noise_sampler(x, seed=3)(1.0, 0.5) for _ in range(2)]
    assert drawn[0].equal(drawn[1])
    assert k_sampling.default_noise_sampler(x)(1.0, 0.5).shape == x.shape


def test_a_pack_s_sampler_may_call_the_host_s(probed: ProbedHost) -> None:
    def run(model: Any, clip: Any, _vae: Any) -> Any:
        steps: list[int] = []

        def wrapped(model: Any, x: Any, sigmas: Any, extra_args: Any, callback: Any, disable: Any) -> Any:
            def told(facts: dict[str, Any]) -> None:
                steps.append(facts["i"])
                callback(facts)

            heun = k_sampling.__getattr__("sample_heun")
            return heun(model, x, sigmas, extra_args=extra_args, callback=told, disable=disable)

        prompt = clip.encode_from_tokens_scheduled(clip.tokenize("a hill"))
        noise = sample.prepare_noise(torch.zeros(1, 4, 16, 16), 1)
        sigmas = samplers.KSampler(model, 2, "cpu", "heun", "normal").sigmas
        common = (sigmas, prompt, prompt, noise * 0)
        mine = sample.sample_custom(model, noise, 1.0, samplers.KSAMPLER(wrapped), *common, seed=1)
        theirs = sample.sample_custom(model, noise, 1.0, samplers.sampler_object("heun"), *common, seed=1)
        return mine.equal(theirs), steps

    assert probed.inside(run) == (True, [0, 1])


def test_a_pack_s_sampler_need_not_tell_the_level_of_a_step(probed: ProbedHost) -> None:
    def run(model: Any, clip: Any, _vae: Any) -> Any:
        told: list[int] = []

        def plain(model: Any, x: Any, sigmas: Any, extra_args: Any, callback: Any, disable: Any) -> Any:
            callback({"i": 0, "x": x, "denoised": x})
            return x

        def seen(step: int, x0: Any, x: Any, total: int) -> None:
            told.append(step)

        prompt = clip.encode_from_tokens_scheduled(clip.tokenize("a hill"))
        noise, sigmas = torch.zeros(1, 4, 16, 16), torch.tensor([1.0, 0.0])
        sampler = samplers.KSAMPLER(plain)
        sample.sample_custom(model, noise, 1.0, sampler, sigmas, prompt, prompt, noise, callback=seen, seed=1)
        return told

    assert probed.inside(run) == [0]


def test_the_seed_decides_the_noise_of_a_pack_s_sampler(probed: ProbedHost) -> None:
    def drawing(
        model: Any, x: Any, sigmas: Any, extra_args: Any, callback: Any, disable: Any, noise_sampler: Any = None
    ) -> Any:
        return x * 0 + noise_sampler(sigmas[0], sigmas[1])

    def ancestral(model: Any, x: Any, sigmas: Any, extra_args: Any, callback: Any, disable: Any) -> Any:
        return k_sampling.__getattr__("sample_euler_ancestral")(model, x, sigmas, extra_args, callback)

    def run(model: Any, clip: Any, _vae: Any) -> Any:
        prompt = clip.encode_from_tokens_scheduled(clip.tokenize("a hill"))
        latent = torch.zeros(1, 4, 16, 16)
        sigmas = samplers.KSampler(model, 2, "cpu", "euler", "normal").sigmas

        def ran(function: Any, seed: int) -> Any:
            sampler = samplers.KSAMPLER(function)
            return sample.sample_custom(model, latent, 1.0, sampler, sigmas, prompt, prompt, latent, seed=seed)

        return [ran(function, seed) for function in (drawing, ancestral) for seed in (1, 1, 2)]

    for one, again, other in (probed.inside(run)[:3], probed.inside(run)[3:]):
        assert one.equal(again)
        assert not one.equal(other)


def test_a_sampler_may_put_a_function_around_the_network(probed: ProbedHost) -> None:
    called: list[str] = []

    def around(name: str) -> Any:
        def evaluate(apply_model: Any, facts: Any) -> Any:
            called.append(name)
            return apply_model(facts["input"], facts["timestep"], **facts["c"])

        return evaluate

    def plain(model: Any, x: Any, sigmas: Any, extra_args: Any, callback: Any, disable: Any) -> Any:
        model(x, sigmas[:1], **extra_args)
        changed = extra_args["model_options"] | {"model_function_wrapper": around("the sampler's")}
        model(x, sigmas[:1], model_options=changed)
        without = {"transformer_options": changed["transformer_options"]}
        return model(x, sigmas[:1], model_options=without)

    def run(model: Any, clip: Any, _vae: Any) -> None:
        prompt = clip.encode_from_tokens_scheduled(clip.tokenize("a hill"))
        latent, sampler = torch.zeros(1, 4, 16, 16), samplers.KSAMPLER(plain)
        model.set_model_unet_function_wrapper(around("the model's"))
        sample.sample_custom(
            model, latent, 1.0, sampler, torch.tensor([1.0, 0.0]), prompt, prompt, latent, torch.ones(1, 16, 16), seed=1
        )

    probed.inside(run)
    assert called == ["the model's", "the sampler's"]


def test_the_host_s_samplers_work_on_no_other_model(home: Home) -> None:
    with pytest.raises(NodeError, match="sample_euler of a pack works on the model that its own sampler"):
        k_sampling.__getattr__("sample_euler")(lambda x, sigma: x, torch.zeros(1), torch.zeros(2))
    with pytest.raises(AttributeError):
        k_sampling.__getattr__("sample_nonsense")


def test_an_image_encoder_encodes(home: Home) -> None:
    class Adapter:
        def encode(self, module: str, image: torch.Tensor, *, crop: bool) -> tuple[str, bool]:
            return module, crop

    class Models:
        def borrow(self, handle: ModelHandle) -> Any:
            from contextlib import nullcontext

            return nullcontext(handle.key)

    class Context:
        models = Models()

    identity = Identity(family="f", kind="clip_vision", config={}, because="")
    handle = ModelHandle(key="k", part="clip_vision", identity=identity, adapter=Adapter())
    with Running(Context()).entered():  # type: ignore[arg-type]
        encoder: Held = ClipVisionModel(handle)
        assert encoder.encode_image(torch.zeros(1, 2, 2, 3)) == ("k", True)
        assert encoder.encode_image(torch.zeros(1, 2, 2, 3), crop=False) == ("k", False)


def test_packs_find_these_modules_under_their_names(home: Home, tmp_path: Path) -> None:
    pack = load(
        tmp_path / "pack",
        """
        import comfy.k_diffusion.sampling as k_diffusion_sampling
        import comfy.ops
        from comfy.k_diffusion.sampling import sample_euler, to_d
        from comfy.ldm.modules.attention import optimized_attention
        from comfy.latent_formats import SDXL
        from comfy.clip_vision import ClipVisionModel
        ops = comfy.ops.manual_cast
        NODE_CLASS_MAPPINGS = {}
        """,
    )
    assert pack.module.sample_euler.__name__ == "sample_euler"
    assert pack.module.k_diffusion_sampling.to_d is k_sampling.to_d
    assert pack.module.ops is layers.manual_cast

"""Train text encoder and UNet together: ``python -m tools.tiny_model.train_diffusion``.

Needs the autoencoder of ``train_vae``. Its latents are computed once and kept; the training itself
is noise prediction (Ho et al. 2020) on Stable Diffusion's schedule, with the loss weights of
min-SNR-5 (Hang et al. 2023), a tenth of the captions dropped for classifier-free guidance.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from host.builtin_nodes.text.clip_vocabulary import END_TOKEN, START_TOKEN, clip_tokenizer
from tools.tiny_model import checkpoints
from tools.tiny_model.architecture import build_text_encoder, build_unet, build_vae
from tools.tiny_model.command_line import BUILD, read_options
from tools.tiny_model.scenes import render, sample_scene

PICTURES = {64: 24_000, 96: 3_000, 128: 2_000}
BATCH = {64: 64, 96: 28, 128: 16}
CAPTION_DROPOUT = 0.1
SNR_CAP = 5.0


@dataclass(frozen=True)
class Data:
    """Unit-variance latents [N, 4, s/8, s/8] and token ids [N, 77] of each picture size."""

    latents: dict[int, torch.Tensor]
    tokens: dict[int, torch.Tensor]


def tokenise(caption: str) -> list[int]:
    ids = [START_TOKEN, *clip_tokenizer().encode(caption, add_special_tokens=False).ids[:75]]
    return ids + [END_TOKEN] * (77 - len(ids))


@torch.no_grad()
def encode_pictures(directory: Path, seed: int) -> None:
    """Render, encode and store the data of every size, with the latents' mean and deviation per channel."""
    vae = build_vae().eval()
    state = checkpoints.load(directory / "vae.pt")
    if state is None:
        raise SystemExit(f"no autoencoder in {directory}: run tools.tiny_model.train_vae first")
    vae.load_state_dict(state["ema"])
    for size, count in PICTURES.items():
        rng = random.Random(f"diffusion-{seed}-{size}")
        latents, tokens = [], []
        for begin in range(0, count, BATCH[size]):
            scenes = [sample_scene(rng) for _ in range(min(BATCH[size], count - begin))]
            tokens += [tokenise(scene.caption) for scene in scenes]
            pixels = np.stack([np.asarray(render(scene, size, rng)) for scene in scenes])
            batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1)
            with torch.autocast("cpu", torch.bfloat16):
                latents.append(vae.encode(batch).latent_dist.mean.float())
        data = {"latents": torch.cat(latents), "tokens": torch.tensor(tokens, dtype=torch.int32)}
        if size == 64:
            everything = data["latents"]
            data["mean"], data["std"] = everything.mean((0, 2, 3)), everything.std((0, 2, 3))
        checkpoints.save(directory / f"latents{size}.pt", data)
        print(f"encoded {count} pictures of {size} px", flush=True)


def load_data(directory: Path, seed: int) -> Data:
    if not all((directory / f"latents{size}.pt").exists() for size in PICTURES):
        encode_pictures(directory, seed)
    stored = {size: torch.load(directory / f"latents{size}.pt", weights_only=True) for size in PICTURES}
    mean, std = stored[64]["mean"][None, :, None, None], stored[64]["std"][None, :, None, None]
    return Data(
        {size: (data["latents"] - mean) / std for size, data in stored.items()},
        {size: data["tokens"].long() for size, data in stored.items()},
    )


def alphas_cumprod() -> torch.Tensor:
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


def size_of_step(step: int, steps: int) -> int:
    if step < 0.7 * steps:
        return 64
    return (64, 96, 64, 128)[step % 4]


class Model(torch.nn.Module):
    """Text encoder and UNet as one module, so that they share optimiser and average."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.unet = build_text_encoder(), build_unet()

    def forward(self, noisy: torch.Tensor, step: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        context = self.text(tokens).last_hidden_state
        return self.unet(noisy, step, context).sample


def loss_of(model: Model, data: Data, size: int, generator: torch.Generator, schedule: torch.Tensor) -> torch.Tensor:
    rows = torch.randint(len(data.latents[size]), (BATCH[size],), generator=generator)
    latents, tokens = data.latents[size][rows], data.tokens[size][rows].clone()
    dropped = torch.rand(len(rows), generator=generator) < CAPTION_DROPOUT
    tokens[dropped] = torch.tensor(tokenise(""))
    noise = torch.randn(latents.shape, generator=generator)
    steps = torch.randint(1000, (len(rows),), generator=generator)
    alpha = schedule[steps][:, None, None, None]
    predicted = model(alpha.sqrt() * latents + (1 - alpha).sqrt() * noise, steps, tokens)
    ratio = schedule[steps] / (1 - schedule[steps])
    weight = ratio.clamp(max=SNR_CAP) / ratio
    return (weight * functional.mse_loss(predicted, noise, reduction="none").mean((1, 2, 3))).mean()


def train(directory: Path, steps: int, seed: int, save_every: int) -> None:
    data, schedule = load_data(directory, seed), alphas_cumprod()
    torch.manual_seed(seed)
    model = Model()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4)
    ema = checkpoints.Ema(model, 0.999)
    path, first = directory / "diffusion.pt", 0
    if state := checkpoints.load(path):
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        ema.shadow, first = state["ema"], state["step"]
    began, smooth = time.monotonic(), 0.0
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = checkpoints.cosine(step, steps, 8e-4, 1e-5, 200)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        loss = loss_of(model, data, size_of_step(step, steps), generator, schedule)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        ema.update(model, step)
        smooth = loss.item() if step == first else 0.98 * smooth + 0.02 * loss.item()
        if (step + 1) % 50 == 0:
            rate = (time.monotonic() - began) / (step + 1 - first)
            print(f"diffusion step {step + 1}/{steps} loss {smooth:.4f} {rate:.2f} s/step", flush=True)
        if (step + 1) % save_every == 0 or step + 1 == steps:
            state = {"model": model.state_dict(), "ema": ema.shadow, "optimiser": optimiser.state_dict()}
            checkpoints.save(path, {**state, "step": step + 1})


def main() -> None:
    options = read_options(__doc__, directory=BUILD, steps=6500, save_every=250)
    train(options.directory, options.steps, options.seed, options.save_every)


if __name__ == "__main__":
    main()

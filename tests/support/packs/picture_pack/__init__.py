"""A pack in ComfyUI's form that leans on its host as popular ones do: lists, samples, decodes, upscales, saves."""

import os

import comfy.model_management as mm
import comfy.samplers
import comfy.utils
import folder_paths
import nodes
import torch
from nodes import MAX_RESOLUTION, CLIPTextEncode, EmptyLatentImage, SaveImage, common_ksampler

folder_paths.add_model_folder_path("picture_notes", os.path.join(folder_paths.models_dir, "picture_notes"))
if "picture_styles" not in folder_paths.folder_names_and_paths:
    folder_paths.folder_names_and_paths["picture_styles"] = (
        [os.path.join(folder_paths.models_dir, "picture_styles")],
        {".json"},
    )


class PictureFromPrompt:
    RETURN_TYPES = ("IMAGE", "LATENT", "MODEL", "PICTURE_PIPE")
    FUNCTION = "make"
    CATEGORY = "picture"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "ckpt_name": (folder_paths.get_filename_list("checkpoints"),),
                "prompt": ("STRING", {"default": "a hill"}),
                "seed": ("INT", {"default": 0}),
                "steps": ("INT", {"default": 2, "min": 1, "max": 100}),
                "sampler_name": (comfy.samplers.KSampler.SAMPLERS,),
                "scheduler": (comfy.samplers.KSampler.SCHEDULERS,),
                "size": ("INT", {"default": 64, "max": MAX_RESOLUTION}),
            }
        }

    def make(self, ckpt_name, prompt, seed, steps, sampler_name, scheduler, size):
        path = folder_paths.get_full_path_or_raise("checkpoints", ckpt_name)
        assert os.path.isfile(path)
        model, clip, vae = nodes.CheckpointLoaderSimple().load_checkpoint(ckpt_name)
        positive = CLIPTextEncode().encode(clip, prompt)[0]
        tokens = clip.tokenize("")
        states, pooled = clip.encode_from_tokens(tokens, return_pooled=True)
        negative = [[states, {"pooled_output": pooled}]]
        latent = EmptyLatentImage().generate(size, size, 1)[0]
        sampled = nodes.KSampler().sample(
            model, seed, steps, 4.0, sampler_name, scheduler, positive, negative, latent, 1.0
        )[0]
        picture = nodes.VAEDecode().decode(vae, sampled)[0]
        return (picture, sampled, model.clone(), (model, clip, vae))


class PictureAgain:
    """The same run without nodes."""

    RETURN_TYPES = ("IMAGE", "LATENT")
    FUNCTION = "make"
    CATEGORY = "picture"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "pipe": ("PICTURE_PIPE",),
                "prompt": ("STRING", {}),
                "seed": ("INT", {}),
                "steps": ("INT", {}),
                "way": (["common_ksampler", "comfy.sample", "custom"],),
            }
        }

    def make(self, pipe, prompt, seed, steps, way):
        model, clip, vae = pipe
        positive = clip.encode_from_tokens_scheduled(clip.tokenize(prompt))
        negative = clip.encode_from_tokens_scheduled(clip.tokenize(""))
        latent = {"samples": torch.zeros(1, vae.latent_channels, 8, 8)}
        if way == "common_ksampler":
            (out,) = common_ksampler(model, seed, steps, 4.0, "euler", "normal", positive, negative, latent)
            return (vae.decode(out["samples"]), out)
        import comfy.sample
        import latent_preview

        seen = {}
        callback = latent_preview.prepare_callback(model, steps, seen)
        start = comfy.sample.fix_empty_latent_channels(model, latent["samples"])
        noise = comfy.sample.prepare_noise(start, seed)
        if way == "comfy.sample":
            samples = comfy.sample.sample(
                model, noise, steps, 4.0, "euler", "normal", positive, negative, start,
                denoise=1.0, callback=callback, disable_pbar=True, seed=seed,
            )
        else:
            sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", steps)
            sampler = comfy.samplers.KSAMPLER(euler)
            samples = comfy.sample.sample_custom(
                model, noise, 4.0, sampler, sigmas, positive, negative, start, callback=callback, seed=seed
            )
        assert seen["x0"].shape == samples.shape
        return (vae.decode(samples), {"samples": samples})


def euler(model, x, sigmas, extra_args=None, callback=None, disable=None):
    ones = x.new_ones([x.shape[0]])
    for i in range(len(sigmas) - 1):
        denoised = model(x, sigmas[i] * ones, **extra_args)
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised})
        x = x + (x - denoised) / sigmas[i] * (sigmas[i + 1] - sigmas[i])
    return x


class PictureExpanded:
    """Lets nodes of the host do the work, in a graph that holds the models themselves."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"
    CATEGORY = "picture"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"pipe": ("PICTURE_PIPE",), "latent": ("LATENT",)}}

    def make(self, pipe, latent):
        from comfy_execution.graph_utils import GraphBuilder

        graph = GraphBuilder()
        decoded = graph.node("VAEDecode", samples=latent, vae=pipe[2])
        return {"result": (decoded.out(0),), "expand": graph.finalize()}


class PictureUpscale:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "scale"
    CATEGORY = "picture"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "factor": ("INT", {"default": 2})}}

    def scale(self, image, factor):
        height, width = image.shape[1] * factor, image.shape[2] * factor
        bar = comfy.utils.ProgressBar(len(image))
        scaled = []
        for item in image.to(mm.intermediate_device()).split(1):
            mm.throw_exception_if_processing_interrupted()
            samples = comfy.utils.common_upscale(item.movedim(-1, 1), width, height, "bicubic", "disabled")
            scaled.append(samples.movedim(1, -1))
            bar.update(1)
        return (torch.cat(scaled).clamp(0, 1),)


class PictureSave(SaveImage):
    """Saves below a folder of its own."""

    CATEGORY = "picture"

    def __init__(self):
        super().__init__()
        self.compress_level = 1

    @classmethod
    def INPUT_TYPES(cls):
        types = super().INPUT_TYPES()
        types["required"]["album"] = ("STRING", {"default": "album"})
        return types

    FUNCTION = "save_in_album"

    def save_in_album(self, images, filename_prefix, album, prompt=None, extra_pnginfo=None):
        return self.save_images(images, os.path.join(album, filename_prefix), prompt, extra_pnginfo)


NODE_CLASS_MAPPINGS = {
    "PictureFromPrompt": PictureFromPrompt,
    "PictureAgain": PictureAgain,
    "PictureExpanded": PictureExpanded,
    "PictureUpscale": PictureUpscale,
    "PictureSave": PictureSave,
}
NODE_DISPLAY_NAME_MAPPINGS = {"PictureSave": "Save picture (album)"}

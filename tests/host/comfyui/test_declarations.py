"""What packs tell ComfyUI's modules while they are imported belongs to them and to their host."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.comfyui.home import Home
from host.comfyui.loading import load_pack
from host.comfyui.surface.prompt_server import PromptServer
from host.comfyui.surface.samplers import KSampler
from tests.support.comfy_host import home_in
from tests.support.comfy_packs import load, write_pack

TELLING = """
    import comfy.samplers
    from comfy.k_diffusion import sampling
    from comfy.samplers import KSampler, SCHEDULER_HANDLERS, SCHEDULER_NAMES, SchedulerHandler
    from nodes import EXTENSION_WEB_DIRS
    from server import PromptServer

    def handler(body):
        return body

    def sample_mine(model, x, sigmas, extra_args=None, callback=None, disable=None):
        return x

    def levels(model_sampling, steps):
        return model_sampling, steps

    sampling.sample_mine = sample_mine
    KSampler.SAMPLERS = KSampler.SAMPLERS + ["mine", "unsaid"]
    KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS |= {"mine"}
    SCHEDULER_NAMES.append("my_levels")
    SCHEDULER_HANDLERS["my_levels"] = SchedulerHandler(levels)
    PromptServer.instance.add_on_prompt_handler(handler)
    PromptServer.instance.routes.get("/mine")(handler)
    EXTENSION_WEB_DIRS["mine"] = "/nowhere"
    NODE_CLASS_MAPPINGS = {}
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_in(tmp_path)


def told(home: Home) -> tuple[int, int, set[str]]:
    names = {"mine", "unsaid", "my_levels"} & {*KSampler.SAMPLERS, *KSampler.SCHEDULERS, *home.sampling.handlers}
    return len(home.routes), len(PromptServer.instance.on_prompt_handlers), names


def test_samplers_with_a_function_and_schedules_become_the_host_s(home: Home, tmp_path: Path) -> None:
    pack = load(tmp_path / "pack", TELLING)
    (sampler,) = pack.register_samplers()
    (scheduler,) = pack.register_schedulers()
    assert (sampler.name, sampler.drops_penultimate) == ("mine", True)
    assert (scheduler.name, scheduler.function("sampling", 3)) == ("my_levels", ("sampling", 3))
    assert told(home) == (1, 1, {"mine", "unsaid", "my_levels"})


def test_a_pack_that_names_no_sampler_has_none(home: Home, tmp_path: Path) -> None:
    load(tmp_path / "first", TELLING)
    pack = load(tmp_path / "second", "NODE_CLASS_MAPPINGS = {}")
    assert pack.register_samplers() == pack.register_schedulers() == ()


def test_a_pack_that_fails_leaves_nothing(home: Home, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="half-way"):
        load_pack(write_pack(tmp_path / "pack", TELLING + "\n    raise RuntimeError('half-way')"))
    assert told(home) == (0, 0, set())
    assert "mine" not in KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS


def test_an_unloaded_pack_leaves_nothing_and_may_come_again(home: Home, tmp_path: Path) -> None:
    load(tmp_path / "pack", TELLING).unload()
    assert told(home) == (0, 0, set())
    assert [sampler.name for sampler in load(tmp_path / "pack", TELLING).register_samplers()] == ["mine"]


def test_another_host_is_told_nothing_of_it(home: Home, tmp_path: Path) -> None:
    load(tmp_path / "pack", TELLING)
    assert told(home_in(tmp_path / "other")) == (0, 0, set())

"""``comfy.model_management`` tells packs of devices, memory and cancelling."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch

from host.comfyui.home import Home, attach
from host.comfyui.running import OutsideOfNodes, Running
from host.comfyui.surface import model_management as mm
from host.comfyui.surface.prompt_server import PromptServer
from sdk.errors import Cancelled, NodeError
from tests.support.comfy_probe import ProbedHost
from tests.support.node_context import context_in


def test_models_run_where_the_host_runs_them(probed: ProbedHost) -> None:
    device = probed.inside(lambda model, clip, vae: mm.get_torch_device())
    assert device == mm.get_torch_device() == mm.vae_device() == torch.device("cpu")
    assert (mm.cpu_mode(), mm.__getattr__("cpu_state")) == (True, mm.CPUState.CPU)


def test_the_device_is_told_while_somebody_uses_a_model(probed: ProbedHost) -> None:
    def asks_in_another_thread(model: Any, clip: Any, vae: Any) -> Any:
        with vae.context.models.borrow(vae.handle), ThreadPoolExecutor(1) as other:
            return other.submit(mm.get_torch_device).result(timeout=60)

    assert probed.inside(asks_in_another_thread) == torch.device("cpu")


def test_without_models_the_device_is_torch_s_own(home: Home) -> None:
    expected = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")

    assert home.services() is None
    assert mm.get_torch_device() == expected


def test_results_lie_in_main_memory() -> None:
    places = (mm.intermediate_device(), mm.unet_offload_device(), mm.text_encoder_offload_device())
    assert {place.type for place in (*places, mm.vae_offload_device())} == {"cpu"}


def test_half_precision_does_not_pay_on_the_cpu() -> None:
    cpu = torch.device("cpu")
    assert not mm.should_use_fp16(cpu)
    assert not mm.should_use_bf16(cpu)
    assert mm.unet_dtype(cpu) == mm.vae_dtype(cpu) == mm.text_encoder_dtype(cpu) == torch.float32


def test_kinds_of_devices_are_told_apart() -> None:
    cpu = torch.device("cpu")
    assert (mm.is_device_cpu(cpu), mm.is_device_cuda(cpu), mm.is_device_mps(cpu)) == (True, False, False)
    assert (mm.get_autocast_device(cpu), mm.get_torch_device_name(cpu)) == ("cpu", "cpu")
    assert mm.device_supports_non_blocking(cpu)


def test_sizes_are_in_bytes() -> None:
    assert mm.module_size(torch.nn.Linear(3, 2, dtype=torch.float16)) == 16
    assert mm.dtype_size(torch.bfloat16) == 2


def test_memory_is_counted_in_bytes() -> None:
    cpu = torch.device("cpu")
    total, free = mm.get_total_memory(cpu), mm.get_free_memory(cpu)
    assert total > 2**20
    assert free > 0
    assert mm.__getattr__("total_ram") == total / 2**20
    assert mm.__getattr__("total_vram") > 1
    assert mm.get_total_memory(cpu, torch_total_too=True) == (total, total)
    assert len(mm.get_free_memory(cpu, torch_free_too=True)) == 2


def test_the_host_s_models_need_no_loading_and_others_are_refused(probed: ProbedHost) -> None:
    def load(model: Any, clip: Any, vae: Any) -> Any:
        mm.load_models_gpu([model, clip], memory_required=2**20)
        mm.load_model_gpu(vae)
        mm.unload_model_clones(model)
        with pytest.raises(NodeError, match="was given Linear, which is none of the host's models"):
            mm.load_model_gpu(torch.nn.Linear(1, 1))
        return True

    assert probed.inside(load)


def test_models_leave_their_device_when_memory_is_wanted(probed: ProbedHost) -> None:
    def fill_and_free(_model: Any, _clip: Any, vae: Any) -> Any:
        vae.decode(torch.zeros(1, 4, 8, 8))
        held = sum(holding.bytes for holding in probed.host.services.holdings())
        assert mm.free_memory(2**62, torch.device("cpu")) == []
        return held, sum(holding.bytes for holding in probed.host.services.holdings())

    before, after = probed.inside(fill_and_free)
    assert before > 0
    assert after == 0
    mm.soft_empty_cache()


def test_unloading_without_a_host_does_nothing(home: Home) -> None:
    mm.unload_all_models()
    mm.cleanup_models()
    assert tuple(mm.current_loaded_models) == ()
    assert mm.loaded_models() == []


def test_unloading_outside_of_nodes_waits_for_nobody(home: Home) -> None:
    freed, held = Event(), Event()

    class Services:
        def free_models(self) -> None:
            held.wait()
            freed.set()

    attach(replace(home, services=lambda: Services()))  # type: ignore[arg-type,return-value]
    mm.unload_all_models()
    assert not freed.is_set()
    held.set()
    assert freed.wait(60)


def test_tensors_are_cast() -> None:
    weight = torch.ones(2)
    assert mm.cast_to(weight, torch.float16, torch.device("cpu")).dtype == torch.float16
    assert mm.cast_to(weight) is weight
    assert mm.cast_to_device(weight, "cpu", torch.float32, copy=True) is not weight


def test_cancelling_reaches_packs(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    with Running(context).entered():
        mm.throw_exception_if_processing_interrupted()
        assert not mm.processing_interrupted()
        context.cancel.cancelled = True
        assert mm.processing_interrupted()
        with pytest.raises(mm.InterruptProcessingException):
            mm.throw_exception_if_processing_interrupted()
    assert not mm.processing_interrupted()
    mm.throw_exception_if_processing_interrupted()


def test_a_pack_cancels_its_own_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        cancelled: tuple[str, ...] = ()

        def cancel(self, prompt_id: str) -> None:
            self.cancelled += (prompt_id,)

    with pytest.raises(OutsideOfNodes):
        mm.interrupt_current_processing()
    with Running(context_in(tmp_path)).entered():
        mm.interrupt_current_processing(False)
        monkeypatch.setattr(PromptServer.instance, "server", None)
        with pytest.raises(Cancelled, match="by a pack"):
            mm.interrupt_current_processing()
        server = Server()
        monkeypatch.setattr(PromptServer.instance, "server", server)
        mm.interrupt_current_processing()
    assert server.cancelled == ("test",)


def test_memory_errors_are_torch_s() -> None:
    assert mm.__getattr__("OOM_EXCEPTION") is torch.OutOfMemoryError
    assert mm.pytorch_attention_enabled()
    assert not mm.xformers_enabled()

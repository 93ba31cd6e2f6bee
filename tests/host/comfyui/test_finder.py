"""Packs find the modules they know, and nobody else's modules are replaced without a word."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from host.comfyui import finder
from sdk.nodes import Blocker
from tests.support.comfy_packs import load


def test_nothing_is_provided_before_a_pack_is_loaded() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("comfy.utils")


def test_packs_may_import_inside_functions_later(tmp_path: Path) -> None:
    pack = load(
        tmp_path / "pack",
        """
        NODE_CLASS_MAPPINGS = {}
        def later():
            from comfy_execution.graph import ExecutionBlocker
            return ExecutionBlocker("m")
        """,
    )
    assert pack.module.later() == Blocker("m")


@pytest.mark.parametrize("name", sorted(finder.PROVIDED))
def test_every_provided_module_imports(name: str) -> None:
    finder.install()
    module = importlib.import_module(name)
    assert module.__name__ == name


def test_names_are_reachable_through_their_packages() -> None:
    finder.install()
    import comfy.utils  # type: ignore[import-not-found]
    from comfy_api.latest import io  # type: ignore[import-not-found]

    assert comfy.utils.ProgressBar is not None
    assert importlib.import_module("comfy_api.latest.io").Schema is io.Schema


def test_a_module_that_is_not_provided_is_named() -> None:
    finder.install()
    with pytest.raises(ModuleNotFoundError, match=r"'comfy\.unheard_of' of ComfyUI is not offered.*comfy\.utils"):
        importlib.import_module("comfy.unheard_of")


def test_other_modules_are_left_to_python() -> None:
    finder.install()
    assert finder.PackModuleFinder().find_spec("json") is None
    with pytest.raises(ModuleNotFoundError, match="No module named 'comfy_unknown'"):
        importlib.import_module("comfy_unknown")


def test_the_finder_joins_once() -> None:
    finder.install()
    finder.install()
    assert sum(isinstance(item, finder.PackModuleFinder) for item in sys.meta_path) == 1


def test_an_installed_package_is_not_hidden_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "comfy").mkdir()
    (tmp_path / "comfy" / "__init__.py").write_text("real = True")
    monkeypatch.syspath_prepend(str(tmp_path))
    finder.install()
    assert "the installed package 'comfy'" in caplog.text
    assert str(tmp_path) in caplog.text
    assert importlib.import_module("comfy.utils").ProgressBar is not None
    finder.uninstall()
    assert importlib.import_module("comfy").real
    del sys.modules["comfy"]


def test_a_module_of_which_nothing_is_there_can_be_imported_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pack = load(
        tmp_path / "pack",
        """
        import comfy.sd1_clip
        import comfy.ldm.modules.distributions
        try:
            from comfy.supported_models_base import BASE
        except ImportError as error:
            said = str(error)
        def later():
            return comfy.sd1_clip.SDTokenizer
        NODE_CLASS_MAPPINGS = {}
        """,
    )
    assert "imports comfy.sd1_clip of ComfyUI, of which nothing is there" in caplog.text
    assert pack.module.said == "'BASE' of ComfyUI's module 'comfy.supported_models_base' is not offered to packs here"
    with pytest.raises(AttributeError, match=r"'SDTokenizer' of ComfyUI's module 'comfy\.sd1_clip'"):
        pack.module.later()


def test_a_pack_may_reach_modules_through_their_package(tmp_path: Path) -> None:
    pack = load(tmp_path / "pack", "import comfy\nmanagement = comfy.model_management\nNODE_CLASS_MAPPINGS = {}")
    assert pack.module.management.__name__ == "comfy.model_management"
    with pytest.raises(AttributeError, match="'unheard_of' of ComfyUI's module 'comfy'"):
        _ = sys.modules["comfy"].unheard_of


def test_a_pack_that_imports_a_name_that_is_not_there_is_told_which(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match=r"'no_such' of ComfyUI's module 'comfy\.utils' is not offered") as caught:
        load(tmp_path / "pack", "from comfy.utils import ProgressBar, no_such\nNODE_CLASS_MAPPINGS = {}")
    assert caught.value.name == "comfy.utils"


def test_everything_public_comes_with_a_star(tmp_path: Path) -> None:
    pack = load(tmp_path / "pack", "from comfy.utils import *\nNODE_CLASS_MAPPINGS = {}")
    assert pack.module.common_upscale is not None

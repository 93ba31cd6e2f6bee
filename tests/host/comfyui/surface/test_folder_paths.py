"""``folder_paths`` shows packs the host's folders, and keeps what they name inside of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.comfyui.home import Home
from host.comfyui.surface import folder_paths
from sdk.errors import NodeError
from tests.host.comfyui.surface.conftest import write_model
from tests.support.comfy_packs import load


def test_folders_are_the_host_s(home: Home, tmp_path: Path) -> None:
    assert folder_paths.get_output_directory() == folder_paths.output_directory == str(tmp_path / "output")
    assert folder_paths.get_directory_by_type("temp") == folder_paths.get_temp_directory() == str(tmp_path / "temp")
    assert folder_paths.get_directory_by_type("elsewhere") is None
    assert (folder_paths.base_path, folder_paths.models_dir) == (str(tmp_path), str(tmp_path / "models"))
    assert folder_paths.get_folder_paths("custom_nodes") == [str(tmp_path / "custom_nodes")]


def test_models_are_listed_and_found_by_their_old_and_new_kinds(home: Home, tmp_path: Path) -> None:
    path = write_model(tmp_path, "unet/deep/net.safetensors")
    write_model(tmp_path, "unet/readme.txt")
    for kind in ("unet", "diffusion_models"):
        (name,) = folder_paths.get_filename_list(kind)
        assert folder_paths.get_full_path(kind, name) == str(path)
    assert folder_paths.get_folder_paths("unet")[0] == str(tmp_path / "models" / "diffusion_models")


@pytest.mark.parametrize("name", ["gone.pt", "../secret.pt", "/etc/passwd", "", "a\0b", "..\\secret.pt"])
def test_a_file_that_is_not_among_a_kind_s_is_not_found(home: Home, tmp_path: Path, name: str) -> None:
    write_model(tmp_path, "secret.pt")
    assert folder_paths.get_full_path("loras", name) is None
    with pytest.raises(FileNotFoundError, match="among 'loras'"):
        folder_paths.get_full_path_or_raise("loras", name)


def test_an_unknown_kind_is_an_error_where_its_files_are_wanted(home: Home) -> None:
    with pytest.raises(KeyError, match="no_such_kind"):
        folder_paths.get_filename_list("no_such_kind")
    with pytest.raises(FileNotFoundError, match="unknown"):
        folder_paths.get_full_path_or_raise("no_such_kind", "a.pt")
    assert folder_paths.get_full_path("no_such_kind", "a.pt") is None
    assert "no_such_kind" not in folder_paths.folder_names_and_paths


def test_a_pack_adds_a_kind_and_the_host_knows_it(home: Home, tmp_path: Path) -> None:
    folder_paths.add_model_folder_path("adapters", str(tmp_path / "models" / "adapters"))
    write_model(tmp_path, "adapters/one.safetensors")
    assert folder_paths.get_filename_list("adapters") == ["one.safetensors"]
    assert home.library.names("adapters") == ("one.safetensors",)
    assert "adapters" in folder_paths.folder_names_and_paths


def test_a_kind_that_a_pack_adds_has_files_of_every_sort(home: Home, tmp_path: Path) -> None:
    folder_paths.add_model_folder_path("detectors", str(tmp_path / "models" / "detectors"))
    write_model(tmp_path, "detectors/a.onnx")
    assert folder_paths.get_filename_list("detectors") == ["a.onnx"]
    assert folder_paths.folder_names_and_paths["detectors"][1] == set()


def test_a_kind_may_get_its_folders_later(home: Home, tmp_path: Path) -> None:
    table = folder_paths.folder_names_and_paths
    table["detectors"] = ([], {".onnx"})
    assert "detectors" in table
    assert folder_paths.get_filename_list("detectors") == []
    table["detectors"][0].append(str(tmp_path / "models" / "detectors"))
    write_model(tmp_path, "detectors/a.onnx")
    assert folder_paths.get_filename_list("detectors") == ["a.onnx"]


def test_a_further_folder_leaves_a_kind_s_suffixes_as_a_pack_made_them(home: Home, tmp_path: Path) -> None:
    folder_paths.folder_names_and_paths["unet"][1].add(".gguf")
    folder_paths.add_model_folder_path("unet", str(tmp_path / "more"))
    assert ".gguf" in folder_paths.folder_names_and_paths["diffusion_models"][1]


def test_a_kind_may_have_suffixes_of_its_own(home: Home, tmp_path: Path) -> None:
    table = folder_paths.folder_names_and_paths
    table["detectors"] = ([str(tmp_path / "models" / "detectors")], {".onnx"})
    table["detectors"][1].add(".json")
    for name in ("a.onnx", "sub/b.JSON", "c.pt"):
        write_model(tmp_path, f"detectors/{name}")
    assert folder_paths.get_filename_list("detectors") == ["a.onnx", os.path.join("sub", "b.JSON")]
    assert folder_paths.get_full_path("detectors", "sub/b.JSON") is not None


def test_a_folder_may_be_appended_to_a_kind_s_list(home: Home, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "x.pt").write_bytes(b"")
    folder_paths.folder_names_and_paths["loras"][0].append(str(more))
    assert folder_paths.get_filename_list("loras") == ["x.pt"]
    assert home.library.find("loras", "x.pt") == more / "x.pt"


def test_the_first_folder_is_the_one_that_a_pack_made_the_default(home: Home, tmp_path: Path) -> None:
    first = str(tmp_path / "first")
    folder_paths.add_model_folder_path("loras", first, is_default=True)
    folder_paths.add_model_folder_path("loras", str(tmp_path / "last"))
    folder_paths.add_model_folder_path("loras", first)
    assert folder_paths.get_folder_paths("loras") == [first, str(tmp_path / "models" / "loras"), str(tmp_path / "last")]


def test_a_kind_s_folders_can_t_be_taken_away(home: Home) -> None:
    with pytest.raises(TypeError, match="can't be taken away"):
        del folder_paths.folder_names_and_paths["loras"]


def test_annotated_names_lead_into_their_folders(home: Home, tmp_path: Path) -> None:
    assert folder_paths.annotated_filepath("a.png [temp]") == ("a.png", str(tmp_path / "temp"))
    assert folder_paths.annotated_filepath("a.png") == ("a.png", None)
    assert folder_paths.get_annotated_filepath("a.png") == str(tmp_path / "input" / "a.png")
    assert folder_paths.get_annotated_filepath("a.png", str(tmp_path / "x")) == str(tmp_path / "x" / "a.png")
    assert not folder_paths.exists_annotated_filepath("a.png [output]")
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "a.png").write_bytes(b"")
    assert folder_paths.exists_annotated_filepath("a.png [output]")


def test_annotated_names_do_not_lead_out(home: Home) -> None:
    with pytest.raises(NodeError, match="leads out"):
        folder_paths.get_annotated_filepath("../a.png")
    assert not folder_paths.exists_annotated_filepath("../a.png")


def test_saved_files_are_numbered_on(home: Home, tmp_path: Path) -> None:
    output = folder_paths.get_output_directory()
    folder = tmp_path / "output" / "sub"
    expected = (str(folder), "a64", 1, "sub", os.path.join("sub", "a64"))
    assert folder_paths.get_save_image_path("sub/a%width%", output, 64, 32) == expected
    (folder / "a64_00006_.png").write_bytes(b"")
    assert folder_paths.get_save_image_path("sub/a%width%", output, 64, 32)[2] == 7
    with pytest.raises(NodeError, match="leads out"):
        folder_paths.get_save_image_path("../a", output)


def test_files_are_searched_and_sorted_out(home: Home, tmp_path: Path) -> None:
    for name in ("a.png", "sub/b.mp4", "skip/c.png", "d.WEBP"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    files, folders = folder_paths.recursive_search(str(tmp_path / "tree"), ["skip"])
    assert files == ["a.png", "d.WEBP", os.path.join("sub", "b.mp4")]
    assert set(folders) == {str(tmp_path / "tree"), str(tmp_path / "tree" / "sub")}
    assert folder_paths.filter_files_extensions(files, {".png"}) == ["a.png"]
    assert folder_paths.filter_files_content_types(files, ["image"]) == ["a.png", "d.WEBP"]
    assert folder_paths.filter_files_content_types(["a.glb", "b.txt"], ["model", "image"]) == ["a.glb"]


def test_packs_see_the_module_and_nobody_gets_a_name_that_it_has_not(home: Home, tmp_path: Path) -> None:
    pack = load(
        tmp_path / "pack",
        """
        import folder_paths
        from folder_paths import models_dir, folder_names_and_paths
        has = hasattr(folder_paths, "no_such_name")
        try:
            from folder_paths import no_such_name
        except ImportError as error:
            said = str(error)
        NODE_CLASS_MAPPINGS = {}
        """,
    )
    assert pack.module.models_dir == str(tmp_path / "models")
    assert not pack.module.has
    assert pack.module.said == "'no_such_name' of ComfyUI's module 'folder_paths' is not offered to packs here"


def test_without_a_host_the_folders_are_those_it_would_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    assert folder_paths.get_input_directory() == str(tmp_path / "input")


def test_an_installed_pack_without_a_host_finds_the_folders_it_is_installed_below(tmp_path: Path) -> None:
    source = "import folder_paths\nplace = folder_paths.get_output_directory()\nNODE_CLASS_MAPPINGS = {}"
    pack = load(tmp_path / "packs" / "store" / "0123" / "pack", source)
    assert pack.module.place == str(tmp_path / "output")

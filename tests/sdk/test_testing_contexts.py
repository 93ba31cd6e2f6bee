"""The stand-ins for what a host gives a node."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk import Cancelled, Identity, NodeError, PatchSet
from sdk.testing import FakeCancelToken, FakeContext, FakeFolders, FakeModels


@pytest.fixture
def folders(tmp_path: Path) -> FakeFolders:
    for name in ("models/loras/a/x.bin", "models/loras/b.bin", "input/cat.png", "output/dog.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return FakeFolders(tmp_path)


def test_progress_texts_and_previews_are_written_down() -> None:
    context = FakeContext()
    context.progress(1, 2, preview="image")
    context.progress(2, 2)
    context.text("half")
    assert (context.progressed, context.previews, context.texts) == ([(1, 2), (2, 2)], ["image"], ["half"])


def test_a_job_can_be_cancelled_after_some_steps() -> None:
    context = FakeContext(cancel_after=2)
    context.progress(1, 3)
    with pytest.raises(Cancelled):
        context.progress(2, 3)
    assert context.cancel.cancelled
    with pytest.raises(Cancelled):
        FakeCancelToken(cancelled=True).raise_if_cancelled()


def test_folders_have_to_be_given() -> None:
    with pytest.raises(NodeError, match="pass FakeContext"):
        _ = FakeContext().folders


def test_model_files_are_found_by_kind_and_name(folders: FakeFolders) -> None:
    assert folders.names("loras") == ["a/x.bin", "b.bin"]
    assert folders.find("loras", "a/x.bin").is_file()
    assert folders.names("vae") == []
    with pytest.raises(NodeError, match=r"there are: a/x\.bin, b\.bin"):
        folders.find("loras", "c.bin")


def test_input_files_may_name_another_root(folders: FakeFolders) -> None:
    assert folders.input_file("cat.png").parent.name == "input"
    assert folders.input_file("dog.png [output]").parent.name == "output"
    with pytest.raises(NodeError, match=r"there is no input file 'dog\.png'"):
        folders.input_file("dog.png")


@pytest.mark.parametrize("name", ["", "../secret", "/etc/passwd", "a\\..\\..\\b"])
def test_names_that_lead_out_are_refused(folders: FakeFolders, name: str) -> None:
    for ask in (folders.input_file, folders.place, lambda name: folders.find("loras", name)):
        with pytest.raises(NodeError, match="leads out"):
            ask(name)


def test_places_count_what_is_there_and_fill_in_sizes_and_dates(folders: FakeFolders) -> None:
    place = folders.place("art/%year%_%width%x%height%", size=(640, 480))
    assert (place.stem, place.counter, place.subfolder, place.root) == ("2024_640x480", 1, "art", "output")
    (place.folder / f"{place.stem}_00007_.png").touch()
    (place.folder / f"{place.stem}_other_.png").touch()
    assert folders.place("art/2024_640x480").counter == 8
    assert folders.place("x", root="temp").subfolder == ""


def test_models_are_opened_borrowed_and_accounted_for() -> None:
    module, adapter = object(), object()
    models = FakeModels(files={"m.bin": {"vae": module}}, adapters={"vae": adapter}, on={"vae": "cuda:1"})
    handle = models.open(Path("somewhere/m.bin"))["vae"]
    assert handle == models.open(Path("m.bin"))["vae"]
    assert (handle.part, handle.adapter, models.device(handle)) == ("vae", adapter, "cuda:1")
    patched = handle.with_options(layer=2)
    with models.borrow(handle) as outer, models.borrow(patched, working_bytes=5) as inner:
        assert outer is inner is module
        assert models.lent == {handle.key: 2}
    assert models.lent == {}
    assert models.borrowed == {handle.key: 2}
    assert [(lent.options, needed) for lent, needed in models.borrows] == [({}, 0), ({"layer": 2}, 5)]


def test_a_model_is_given_back_when_the_node_fails() -> None:
    models = FakeModels(files={"m.bin": {"vae": object()}})
    handle = models.open(Path("m.bin"))["vae"]
    with pytest.raises(ValueError, match="broken"), models.borrow(handle):
        raise ValueError("broken")
    assert models.lent == {}


def test_adopted_modules_give_equal_handles() -> None:
    models, module = FakeModels(), object()
    identity = Identity(family="mine", kind="upscaler", config={}, because="made here")
    handle = models.adopt("mine", module, identity=identity)
    assert handle == models.adopt("mine", module, identity=identity)
    assert (handle.part, models.device(handle)) == ("upscaler", "cpu")
    with models.borrow(handle) as borrowed:
        assert borrowed is module


def test_unknown_files_handles_and_patches_are_refused() -> None:
    patches = PatchSet(key="p", deltas={})
    models = FakeModels(files={"m.bin": {"vae": object()}}, patches={"l.bin": [patches]})
    handle = models.open(Path("m.bin"))["vae"]
    assert models.read_patches(Path("l.bin"), [handle]) == [patches]
    with pytest.raises(NodeError, match=r"no family knows 'x\.bin'; this test knows: m\.bin"):
        models.open(Path("x.bin"))
    with pytest.raises(NodeError, match="comes from elsewhere"), FakeModels().borrow(handle):
        pass
    with pytest.raises(NodeError, match=r"has no patches for 'x\.bin'"):
        models.read_patches(Path("x.bin"), [handle])
    with pytest.raises(NodeError, match="patches for 1 handles, and 2 were asked about"):
        models.read_patches(Path("l.bin"), [handle, handle])

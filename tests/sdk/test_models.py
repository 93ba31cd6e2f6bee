"""Handles, headers and what they promise."""

from __future__ import annotations

from pathlib import Path

from sdk import Header, Identity, ModelHandle, PatchFormat, PatchSet, TensorInfo

IDENTITY = Identity(family="f", kind="vae", config={}, because="a test")


def handle(key: str = "k", adapter: object = None) -> ModelHandle:
    return ModelHandle(key=key, part="vae", identity=IDENTITY, adapter=adapter)


def test_a_header_answers_for_shapes() -> None:
    header = Header(Path("x"), {"a": TensorInfo("F32", (2, 3))})
    assert header.shape("a") == (2, 3)
    assert header.shape("b") is None


def test_patches_are_added_to_a_new_handle_in_order() -> None:
    plain, first, second = handle(), PatchSet("one", {}), PatchSet("two", {})
    patched = plain.with_patches(first, 0.5).with_patches(second, -1.0)
    assert plain.patches == ()
    assert patched.patches == ((first, 0.5), (second, -1.0))
    assert patched.patch_key == (("one", 0.5), ("two", -1.0))


def test_later_options_win_and_earlier_handles_keep_theirs() -> None:
    first = handle().with_options(layer=1, shift=3.0)
    second = first.with_options(layer=2)
    assert first.options == {"layer": 1, "shift": 3.0}
    assert second.options == {"layer": 2, "shift": 3.0}


def test_handles_of_the_same_weights_are_equal_whatever_is_patched_or_set() -> None:
    assert handle(adapter=object()) == handle().with_patches(PatchSet("p", {}), 1.0).with_options(x=1)
    assert handle("k") != handle("other")


def test_a_patch_format_counts_its_tensors_by_how_their_names_end() -> None:
    header = Header(Path("x"), {name: TensorInfo("F32", (1,)) for name in ("a.up", "b.up", "a.down", "up.c")})
    patch_format = PatchFormat(name="f", read=lambda tensors, names: ({}, frozenset()), endings=(".up",))
    assert patch_format.count(header) == 2
    assert PatchFormat(name="g", read=patch_format.read).count(header) == 0


def test_a_header_is_searched_by_the_beginnings_and_parts_of_names() -> None:
    header = Header(Path("x"), {name: TensorInfo("F32", (1,)) for name in ("first.up", "second.down")})
    assert header.has_prefix("nothing", "second.")
    assert not header.has_prefix("down", "econd", "second.down.")
    assert header.mentions("nothing", "t.u")
    assert not header.mentions("upsecond")
    assert not Header(Path("x"), {}).mentions("a")


def test_what_is_derived_from_a_header_is_computed_once() -> None:
    header, asked = Header(Path("x"), {"a": TensorInfo("F32", (1,))}), []

    def count(given: Header) -> int:
        asked.append(given)
        return len(given.tensors)

    assert [header.derived(count), header.derived(count)] == [1, 1]
    assert asked == [header]

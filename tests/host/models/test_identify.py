from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from host.models.errors import AmbiguousModel, UnknownFamily, UnknownModel
from host.models.identify import identify
from sdk.models import Header, Identity, Refusal, TensorInfo
from tests.host.models.doubles import WatchingHook

HEADER = Header(Path("m.safetensors"), {})


@dataclass(frozen=True)
class Family:
    name: str
    answer: Any

    def identify(self, header: Header) -> Identity | Refusal:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def parts(self, header: Header, identity: Identity) -> Any:
        return ()


def claim(family: str) -> Identity:
    return Identity(family=family, kind="vae", config={}, because=f"{family} said so")


def test_the_one_family_that_claims_a_file_decides() -> None:
    families = [Family("a", Refusal("too small")), Family("b", claim("b"))]
    assert identify(HEADER, families) == claim("b")


def test_an_unknown_file_is_told_what_each_family_said() -> None:
    families = [Family("a", Refusal("too small")), Family("b", Refusal("no UNet"))]
    with pytest.raises(UnknownModel, match=r"a: too small; b: no UNet") as caught:
        identify(HEADER, families)
    assert caught.value.refusals == {"a": "too small", "b": "no UNet"}


def test_families_that_say_the_same_are_named_together() -> None:
    families = [Family("a", Refusal("no UNet")), Family("b", Refusal("too small")), Family("c", Refusal("no UNet"))]
    with pytest.raises(UnknownModel, match=r"\(a, c: no UNet; b: too small\)"):
        identify(HEADER, families)


def test_an_unknown_file_is_told_by_the_names_of_some_tensors() -> None:
    tensors = {name * 100: TensorInfo("F16", (1,)) for name in "abcd"}
    with pytest.raises(UnknownModel, match=f"holds 4 tensors, such as {'a' * 80}, {'c' * 80}, {'d' * 80} "):
        identify(Header(Path("m.safetensors"), tensors), [])
    with pytest.raises(UnknownModel, match="holds no tensors"):
        identify(HEADER, [])


def test_without_families_the_error_says_so() -> None:
    with pytest.raises(UnknownModel, match="no family is installed"):
        identify(HEADER, [])


def test_several_claims_are_an_error_that_names_them_all() -> None:
    with pytest.raises(AmbiguousModel, match=r"2 model families.*a said so.*b said so"):
        identify(HEADER, [Family("a", claim("a")), Family("b", claim("b"))])


def test_the_hook_decides_before_any_family_is_asked() -> None:
    families = [Family("a", AssertionError("never asked"))]
    assert identify(HEADER, families, WatchingHook(identity=claim("a"))) == claim("a")


def test_a_hook_that_abstains_leaves_it_to_the_families() -> None:
    assert identify(HEADER, [Family("a", claim("a"))], WatchingHook()) == claim("a")


def test_a_hook_that_names_a_family_nobody_registered_is_refused() -> None:
    with pytest.raises(UnknownFamily, match=r"'z'; registered are: a"):
        identify(HEADER, [Family("a", claim("a"))], WatchingHook(identity=claim("z")))


def test_a_family_that_raises_is_named_in_the_error() -> None:
    with pytest.raises(KeyError) as caught:
        identify(HEADER, [Family("broken", KeyError("oops"))])
    assert "model family 'broken'" in caught.value.__notes__[0]


def test_a_hook_may_name_a_family_and_leave_the_rest_to_it() -> None:
    families = [Family("a", AssertionError("never asked")), Family("b", claim("b")), Family("c", Refusal("no"))]
    assert identify(HEADER, families, WatchingHook(identity="b")) == claim("b")
    with pytest.raises(UnknownModel, match="c: no"):
        identify(HEADER, families, WatchingHook(identity="c"))
    with pytest.raises(UnknownFamily, match=r"'z'; registered are: a, b, c"):
        identify(HEADER, families, WatchingHook(identity="z"))

"""Nodes whose code is that of others, or nearly."""

from __future__ import annotations

import random

import pytest

from registry_server.nodes import repository
from registry_server.nodes.duplicates import duplicates_of
from registry_server.nodes.shapes import bands, decode_signature, encode_signature
from tests.support.registry import Registry
from tests.support.registry_packs import pack

BLUR = """
class {name}:
    CATEGORY = "image/filters"
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"image": ("IMAGE",), "radius": ("INT", {{"default": 3, "min": 1, "max": 99}})}}}}

    def run(self, image, radius):
        size = radius * 2 + 1
        weights = [1.0 / size for _ in range(size)]
        rows = []
        for row in image:
            padded = [row[0]] * radius + list(row) + [row[-1]] * radius
            rows.append([sum(w * padded[i + k] for k, w in enumerate(weights)) for i in range(len(row))])
        {extra}
        return (rows,)
"""
COUNT = """
class {name}:
    CATEGORY = "text"
    RETURN_TYPES = ("INT", "STRING")
    FUNCTION = "count"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"text": ("STRING", {{"multiline": True}}), "unit": (["words", "lines"],)}}}}

    def count(self, text, unit):
        found = text.split() if unit == "words" else text.splitlines()
        shown = ", ".join(sorted(set(found)))
        while len(shown) > 80:
            shown = shown.rpartition(",")[0]
        return {{"ui": {{"text": [shown]}}, "result": (len(found), shown)}}
"""


def module(*classes: str) -> str:
    mapped = ", ".join(f'"{name}": {name}' for name in (text.split(":")[0].split()[1] for text in classes))
    return "".join(classes) + f"\nNODE_CLASS_MAPPINGS = {{{mapped}}}\n"


def publish(server: Registry, name: str, version: str, *classes: str) -> dict[str, object]:
    answer = server.upload(pack(name, version, files={"__init__.py": module(*classes)}))
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_nearly_the_same_code_is_named_with_how_alike_it_is(server: Registry) -> None:
    publish(server, "original", "1.0.0", BLUR.format(name="Blur", extra=""), COUNT.format(name="Count"))
    edited = publish(server, "edited", "1.0.0", BLUR.format(name="SoftBlur", extra="size = len(rows)"))
    [entry] = edited["duplicates"]  # type: ignore[misc]
    [[ours, theirs, alike]] = entry["near"]
    assert (entry["pack"], entry["nodes"], ours, theirs) == ("original", [], "SoftBlur", "Blur")
    assert 0.8 <= alike < 1
    assert (entry["share"], entry["vendored"]) == (0.5, False)


def test_other_code_is_not_named(server: Registry) -> None:
    publish(server, "original", "1.0.0", BLUR.format(name="Blur", extra=""))
    assert publish(server, "other", "1.0.0", COUNT.format(name="Count"))["duplicates"] == []


def test_each_version_keeps_what_was_found_and_can_be_asked_anew(server: Registry) -> None:
    publish(server, "edited", "1.0.0", BLUR.format(name="SoftBlur", extra="size = len(rows)"))
    publish(server, "edited", "2.0.0", COUNT.format(name="Tally"))
    publish(server, "original", "1.0.0", BLUR.format(name="Blur", extra=""))
    stored = server.client.get("/api/v1/packs/edited/versions/1.0.0").json()["duplicates"]
    assert stored == [], "nobody else had it then"
    now = server.client.get("/api/v1/packs/edited/duplicates?version=1.0.0").json()
    assert (now["version"], [one["pack"] for one in now["duplicates"]]) == ("1.0.0", ["original"])
    assert server.client.get("/api/v1/packs/edited/duplicates").json()["duplicates"] == []
    assert server.client.get("/api/v1/packs/edited/duplicates?version=9.0.0").status_code == 404


def test_code_that_a_pack_has_given_up_is_found_no_more(server: Registry) -> None:
    publish(server, "original", "1.0.0", BLUR.format(name="Blur", extra=""))
    publish(server, "original", "2.0.0", COUNT.format(name="Count"))
    edited = BLUR.format(name="SoftBlur", extra="size = len(rows)")
    assert publish(server, "edited", "1.0.0", edited)["duplicates"] == []
    publish(server, "original", "3.0.0", BLUR.format(name="Blur", extra=""))
    again = publish(server, "edited", "1.0.1", edited)["duplicates"]
    assert [one["pack"] for one in again] == ["original"]  # type: ignore[index,attr-defined]


def test_code_that_everybody_has_does_not_make_answers_endless(
    server: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MOST_HOLDERS", 2)
    for number in range(4):
        publish(server, f"pack-{number}", "1.0.0", COUNT.format(name=f"Count{number}"))
    with server.parts.database.read() as session:
        row = repository.claims_of(session, 1)[0]
        found = duplicates_of(session, 1, [{"id": row.node_id, "code": row.code}])
    assert len(found) == 2


def test_signatures_survive_as_bytes_and_alike_ones_share_a_band() -> None:
    numbers = random.Random(0)
    signature = tuple(numbers.randrange(2**32) for _ in range(128))
    body = encode_signature(signature)
    assert decode_signature(body) == signature
    assert (encode_signature(()), decode_signature(b"")) == (b"", ())
    changed = list(signature)
    changed[5] = changed[77] = 0
    shared = set(bands(body)) & set(bands(encode_signature(tuple(changed))))
    assert len(shared) == 14, "two of sixteen bands hold a changed number"


def test_bands_are_what_is_stored_already() -> None:
    found = bands(encode_signature(tuple(range(128))))
    assert (len(found), found[0], found[15]) == (16, -7826213496047604054, -8798372382731824101)

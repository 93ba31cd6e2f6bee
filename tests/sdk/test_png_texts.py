from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdk.png_texts import SIGNATURE, PngTexts, TextTooLarge, read_texts

LIMIT = 10_000_000


def png(text: PngInfo) -> bytes:
    file = BytesIO()
    Image.new("RGB", (3, 2)).save(file, "PNG", pnginfo=text)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def read(content: bytes, limit: int = LIMIT) -> PngTexts:
    return read_texts(BytesIO(content), limit)


def texts(content: bytes, limit: int = LIMIT) -> dict[str, str]:
    found = read(content, limit)
    assert not found.damage
    return dict(found.texts)


def test_every_kind_of_text_chunk_is_read() -> None:
    info = PngInfo()
    info.add_text("plain", "é")
    info.add_text("packed", "x" * 2_000_000, zip=True)
    info.add_itxt("international", "日本")
    info.add_itxt("packed international", "日" * 1_000_000, zip=True)
    info.add(b"comf", b"animated\0{}", after_idat=True)
    assert texts(png(info)) == {
        "plain": "é",
        "packed": "x" * 2_000_000,
        "international": "日本",
        "packed international": "日" * 1_000_000,
        "animated": "{}",
    }


def test_of_two_texts_with_one_keyword_the_first_counts() -> None:
    info = PngInfo()
    info.add_text("key", "first")
    info.add_text("key", "second")
    assert texts(png(info)) == {"key": "first"}


def test_utf_8_is_understood_where_latin_1_is_meant() -> None:
    content = SIGNATURE + chunk(b"tEXt", b"key\0" + "日".encode()) + chunk(b"IEND", b"")
    assert texts(content) == {"key": "日"}


def test_a_packed_text_that_blows_up_is_refused_without_unpacking_it() -> None:
    bomb = chunk(b"zTXt", b"key\0\0" + zlib.compress(b"x" * 50_000_000, 9))
    with pytest.raises(TextTooLarge):
        texts(SIGNATURE + bomb + chunk(b"IEND", b""), limit=1000)


def test_many_small_texts_share_one_limit() -> None:
    many = b"".join(chunk(b"tEXt", b"k%d\0" % n + b"x" * 400) for n in range(3))
    with pytest.raises(TextTooLarge):
        texts(SIGNATURE + many + chunk(b"IEND", b""), limit=1000)


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_a_png_cut_off_anywhere_keeps_the_texts_before_the_cut(length: int) -> None:
    info = PngInfo()
    info.add_text("key", "value")
    content = png(info)
    end_of_text = content.index(b"value") + len(b"value") + 4
    cut = content[: len(SIGNATURE) + length]
    found = read(cut)
    assert found.damage.startswith("it ends") == (len(cut) < len(content))
    assert found.texts == ({"key": "value"} if len(cut) >= end_of_text else {})


@pytest.mark.parametrize(
    ("damaged", "what"),
    [
        (chunk(b"tEXt", b"key\0damaged").replace(b"damaged", b"damagee"), "checksum of a 'tEXt'"),
        (chunk(b"zTXt", b"key\0\0garbage"), "unpacked"),
        (chunk(b"zTXt", b"key\0\0" + zlib.compress(b"x" * 999)[:-4]), "ends too early"),
        (chunk(b"zTXt", b"key\0\0"), "ends too early"),
        (chunk(b"iTXt", b"key\0\1\0\0\0" + zlib.compress(b"x" * 999)[:-1] + b"?"), "unpacked"),
    ],
)
def test_a_damaged_text_is_left_out_and_told_and_the_others_are_read(damaged: bytes, what: str) -> None:
    before, after = chunk(b"tEXt", b"before\0b"), chunk(b"tEXt", b"after\0a")
    found = read(SIGNATURE + before + damaged + after + chunk(b"IEND", b""))
    assert found.texts == {"before": "b", "after": "a"}
    assert what in found.damage


def test_a_whole_text_counts_where_an_earlier_one_of_its_keyword_is_damaged() -> None:
    damaged = chunk(b"tEXt", b"key\0first").replace(b"first", b"fjrst")
    found = read(SIGNATURE + damaged + chunk(b"tEXt", b"key\0second") + chunk(b"IEND", b""))
    assert found.texts == {"key": "second"}


def test_what_is_damaged_only_at_its_end_counts_as_text_before() -> None:
    bombs = chunk(b"zTXt", b"key\0\0" + zlib.compress(b"x" * 4_000_000)[:-1] + b"?") * 3 + chunk(b"IEND", b"")
    with pytest.raises(TextTooLarge):
        read(SIGNATURE + bombs, LIMIT)


def test_a_chunk_that_claims_gigabytes_reads_nothing() -> None:
    assert "IDAT" in read(SIGNATURE + struct.pack(">I4s", 2**32 - 1, b"IDAT") + b"x").damage


@given(st.binary(max_size=200))
def test_garbage_behind_the_signature_is_told(garbage: bytes) -> None:
    assert read(SIGNATURE + garbage).damage


def test_keywords_count_as_text() -> None:
    chunks = b"".join(chunk(b"tEXt", bytes([65 + i]) * 100 + b"\0") for i in range(20))
    with pytest.raises(TextTooLarge):
        texts(SIGNATURE + chunks + chunk(b"IEND", b""), limit=1000)

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from host.png_text import SIGNATURE, DamagedPng, TextTooLarge, read_texts

LIMIT = 10_000_000


def png(text: PngInfo) -> bytes:
    file = BytesIO()
    Image.new("RGB", (3, 2)).save(file, "PNG", pnginfo=text)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def texts(content: bytes, limit: int = LIMIT) -> dict[str, str]:
    return read_texts(BytesIO(content), limit)


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
    if len(cut) >= len(content):
        assert texts(cut) == {"key": "value"}
        return
    with pytest.raises(DamagedPng, match="ends") as caught:
        texts(cut)
    assert caught.value.texts == ({"key": "value"} if len(cut) >= end_of_text else {})


def test_a_flipped_bit_in_a_text_is_noticed() -> None:
    info = PngInfo()
    info.add_text("key", "value")
    with pytest.raises(DamagedPng, match="checksum"):
        texts(png(info).replace(b"value", b"valuf"))


def test_a_text_whose_packing_is_broken_is_reported() -> None:
    with pytest.raises(DamagedPng, match="unpacked"):
        texts(SIGNATURE + chunk(b"zTXt", b"key\0\0garbage") + chunk(b"IEND", b""))


def test_a_chunk_that_claims_gigabytes_reads_nothing() -> None:
    with pytest.raises(DamagedPng, match="IDAT"):
        texts(SIGNATURE + struct.pack(">I4s", 2**32 - 1, b"IDAT") + b"x")


@given(st.binary(max_size=200))
def test_garbage_behind_the_signature_gives_a_clear_error(garbage: bytes) -> None:
    with pytest.raises((DamagedPng, TextTooLarge)):
        texts(SIGNATURE + garbage)


def test_keywords_count_as_text() -> None:
    chunks = b"".join(chunk(b"tEXt", bytes([65 + i]) * 100 + b"\0") for i in range(20))
    with pytest.raises(TextTooLarge):
        texts(SIGNATURE + chunks + chunk(b"IEND", b""), limit=1000)

"""The byte-pair tokenizer of CLIP (Radford et al. 2021), built from the published merge list.

The merge list is data of this package (``assets/``, MIT, (c) 2021 OpenAI); nothing is downloaded.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

START_TOKEN = 49406
END_TOKEN = 49407
VOCABULARY_SIZE = 49408
# The published list holds more merges than the model was trained with.
_MERGES = VOCABULARY_SIZE - 2 * 256 - 2
_WORDS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


@cache
def clip_tokenizer() -> Tokenizer:
    """The tokenizer without special tokens: ``clip_tokenizer().encode(text).ids``."""
    merges = _read_merges()
    characters = _byte_characters()
    words = [*characters, *(c + "</w>" for c in characters), *("".join(pair) for pair in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    model = BPE(
        vocab={word: i for i, word in enumerate(words)},
        merges=merges,
        end_of_word_suffix="</w>",
        continuing_subword_prefix="",
        unk_token="<|endoftext|>",
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    return tokenizer


def _read_merges() -> list[tuple[str, str]]:
    path = resources.files(__package__) / "assets" / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[1 : _MERGES + 1]
    return [(left, right) for left, right in (line.split() for line in lines)]


def _byte_characters() -> list[str]:
    """A printable character for each of the 256 bytes, in the vocabulary's order (GPT-2's table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]

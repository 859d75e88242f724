"""Text to token ids and back, id for id what the authors' slow tokenizers give. Knows no model and no prompt.

The slow tokenizers first split a text at the added tokens, leftmost and longest first, and only then give what
lies between to SentencePiece or byte-level BPE. transformers' present classes do otherwise, so the split is here.
"""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import sentencepiece
import tokenizers

from engine.errors import CheckpointError
from engine.internvl2.files import TOKENIZER_CONFIG, TOKENIZER_FILES, one_line, read_json, read_lines, tokenizer_kind

_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class Tokenizer(ABC):
    """What a checkpoint makes of text. `size` is one more than its highest id."""

    size: int

    @abstractmethod
    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """The ids of `text`; with `special`, also the tokens that the checkpoint puts at a text's ends."""

    @abstractmethod
    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """The text of `ids`; ids that no token has give nothing."""

    @abstractmethod
    def id_of(self, token: str) -> int:
        """The id of the token written so. Raises CheckpointError when there is none."""


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read the tokenizer of a checkpoint's folder. Raises CheckpointError."""
    settings = read_json(folder / TOKENIZER_CONFIG)
    kind = tokenizer_kind(folder)
    if kind not in TOKENIZER_FILES:
        raise CheckpointError(
            f"{folder} has the tokenizer {kind!r}, which is not known (known: {', '.join(TOKENIZER_FILES)})",
            advice="use an original InternVL2 checkpoint other than 4B",
        )
    try:
        match kind:
            case "InternLM2Tokenizer":
                return InternLM2Tokenizer(folder, settings)
            case "LlamaTokenizer":
                return LlamaTokenizer(folder, settings)
            case "Qwen2Tokenizer":
                return Qwen2Tokenizer(folder, settings)
        return JsonTokenizer(folder, settings)
    except CheckpointError:
        raise
    except Exception as error:  # the libraries raise bare Exception, OSError, RuntimeError, ...
        raise CheckpointError(
            f"the tokenizer in {folder} can't be read: {one_line(error)}", advice="fetch the checkpoint's files again"
        ) from error


class _SplitTokenizer(Tokenizer):
    """What the slow tokenizers have in common: the split at the added tokens, and the special ones among these."""

    _defaults: Mapping[str, Any]  # what the authors' class takes where tokenizer_config.json says nothing

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        settings = {**self._defaults, **settings}
        self._tidy = bool(settings["clean_up_tokenization_spaces"])
        self._added = dict(_added_tokens(folder, settings))
        named = {key: _content(settings[key]) for key in _NAMED if settings.get(key)}
        extra = [_content(token) for token in settings.get("additional_special_tokens") or ()]
        for token in [*named.values(), *extra]:
            self._added.setdefault(token, self.id_of(token))
        self._names = {number: token for token, number in self._added.items()}
        self._special = {self._added[token] for token in [*named.values(), *extra]}
        self._extra = {self._added[token] for token in extra}
        self._split = re.compile("(" + "|".join(map(re.escape, sorted(self._added, key=len, reverse=True))) + ")")
        self._first = [self._added[named["bos_token"]]] if settings.get("add_bos_token") else []
        self._last = [self._added[named["eos_token"]]] if settings.get("add_eos_token") else []
        self.size = 1 + max(self._plain_size() - 1, *self._added.values())

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        ids: list[int] = []
        for index, part in enumerate(self._split.split(self._normalise(text))):
            if index % 2:
                ids.append(self._added[part])
            elif part:
                ids += self._encode_plain(part)
        return [*self._first, *ids, *self._last] if special else ids

    def id_of(self, token: str) -> int:
        number = self._added.get(token, self._plain_id(token))
        if number is None:
            raise CheckpointError(f"the checkpoint's tokenizer has no token {token!r}", advice=_REFETCH)
        return number

    def _normalise(self, text: str) -> str:
        return text

    @abstractmethod
    def _encode_plain(self, text: str) -> list[int]: ...

    @abstractmethod
    def _plain_id(self, token: str) -> int | None: ...

    @abstractmethod
    def _plain_size(self) -> int: ...


class InternLM2Tokenizer(_SplitTokenizer):
    """SentencePiece, as the language models of InternVL2 2B, 8B and 26B use it."""

    _defaults: Mapping[str, Any] = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "</s>",
        "add_bos_token": True,
        "clean_up_tokenization_spaces": False,
    }

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._pieces = sentencepiece.SentencePieceProcessor()
        self._pieces.LoadFromSerializedProto((folder / "tokenizer.model").read_bytes())
        super().__init__(folder, settings)

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        kept = [number for number in ids if self._is_known(number) and not (skip_special and number in self._special)]
        texts: list[str] = []
        for alone, run in groupby(kept, key=self._stands_alone):
            tokens = [self._names.get(number) or self._pieces.IdToPiece(number) for number in run]
            texts = [text for text in texts if text]
            texts += tokens if alone else [self._text_of(tokens)]
        text = " ".join(texts)
        return _tidied(text) if self._tidy else text

    def _is_known(self, number: int) -> bool:
        return number in self._names or 0 <= number < self._plain_size()

    def _stands_alone(self, number: int) -> bool:
        """Whether a token is written apart from the text around it."""
        if number in self._special:
            return number in self._extra and number >= self._plain_size()
        return number in self._names

    def _text_of(self, tokens: Sequence[str]) -> str:
        return _tidied(self._joined(tokens, leading_space=" "))

    def _joined(self, tokens: Sequence[str], leading_space: str) -> str:
        """The text of tokens with special ones among them; text that one of these follows gets a space in front."""
        special = {self._names[number] for number in self._special}
        text = ""
        pieces: list[str] = []
        for index, token in enumerate(tokens):
            if token not in special:
                pieces.append(token)
                continue
            if pieces or index == 0:
                text += " " if pieces else leading_space
                text += self._pieces.DecodePieces(pieces)
            text += token
            pieces = []
        return text + str(self._pieces.DecodePieces(pieces))

    def _encode_plain(self, text: str) -> list[int]:
        return list(self._pieces.EncodeAsIds(text))

    def _plain_id(self, token: str) -> int | None:
        number = int(self._pieces.PieceToId(token))
        return number if self._pieces.IdToPiece(number) == token else None

    def _plain_size(self) -> int:
        return int(self._pieces.GetPieceSize())


class LlamaTokenizer(InternLM2Tokenizer):
    """SentencePiece, as the language model of InternVL2 40B uses it."""

    _defaults: Mapping[str, Any] = {**InternLM2Tokenizer._defaults, "pad_token": None}

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        if settings.get("legacy") is False:
            raise CheckpointError(
                f"{folder / TOKENIZER_CONFIG} sets legacy to false, a way of splitting that is not known here",
                advice="use the tokenizer files that the authors published",
            )
        super().__init__(folder, settings)

    def _text_of(self, tokens: Sequence[str]) -> str:
        return self._joined([tokens[0].removeprefix("\u2581"), *tokens[1:]], leading_space="")


class Qwen2Tokenizer(_SplitTokenizer):
    """Byte-level BPE, as the language models of InternVL2 1B and most newer checkpoints use it."""

    _defaults: Mapping[str, Any] = {
        "unk_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
    }

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        vocabulary = {token: int(number) for token, number in read_json(folder / "vocab.json").items()}
        # The slow tokenizer takes every line that begins with # for a comment, the merge "# #" too.
        lines = (line.strip() for line in read_lines(folder / "merges.txt"))
        pairs = (line.split() for line in lines if line and not line.startswith("#"))
        merges = [(first, second) for first, second in pairs]
        self._bpe = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
        self._bpe.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
            [
                tokenizers.pre_tokenizers.Split(tokenizers.Regex(_QWEN2_WORDS), behavior="isolated"),
                tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        self._bpe.decoder = tokenizers.decoders.ByteLevel()
        super().__init__(folder, settings)

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        text = ""
        kept = (number for number in ids if not (skip_special and number in self._special))
        for added, run in groupby(kept, key=self._names.__contains__):
            numbers = list(run)
            text += "".join(self._names[number] for number in numbers) if added else self._bpe.decode(numbers)
        return _tidied(text) if self._tidy else text

    def _normalise(self, text: str) -> str:
        return unicodedata.normalize("NFC", text)

    def _encode_plain(self, text: str) -> list[int]:
        return list(self._bpe.encode(text).ids)

    def _plain_id(self, token: str) -> int | None:
        number = self._bpe.token_to_id(token)
        return None if number is None else int(number)

    def _plain_size(self) -> int:
        return int(self._bpe.get_vocab_size())


class JsonTokenizer(Tokenizer):
    """A tokenizer.json, as InternVL2 76B has it: the authors use the fast tokenizer there, which is this one.

    What transformers converted has one too, and need not name the added tokens a second time.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._fast = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._fast.no_padding()
        self._fast.no_truncation()
        self._tidy = bool(settings.get("clean_up_tokenization_spaces", True))
        listed = _added_tokens(folder, settings) if "added_tokens_decoder" in settings else {}
        for token, number in listed.items():
            if self._fast.token_to_id(token) != number:
                raise CheckpointError(
                    f"{folder}: tokenizer.json has no token {token!r} with id {number}", advice=_REFETCH
                )
        self.size = 1 + max(self._fast.get_vocab().values())

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        return list(self._fast.encode(text, add_special_tokens=special).ids)

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        text = str(self._fast.decode(list(ids), skip_special_tokens=skip_special))
        return _tidied(text) if self._tidy else text

    def id_of(self, token: str) -> int:
        number = self._fast.token_to_id(token)
        if number is None:
            raise CheckpointError(f"the checkpoint's tokenizer has no token {token!r}", advice=_REFETCH)
        return int(number)


_QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_REFETCH = "fetch the checkpoint's tokenizer files again"


def _added_tokens(folder: Path, settings: Mapping[str, Any]) -> dict[str, int]:
    """The tokens beside the vocabulary, or marked in it, with their ids."""
    listed = settings.get("added_tokens_decoder")
    if not isinstance(listed, dict) or not listed:
        raise CheckpointError(f"{folder / TOKENIZER_CONFIG} has no added_tokens_decoder", advice=_REFETCH)
    for token in listed.values():
        if any(token.get(flag) for flag in ("lstrip", "rstrip", "single_word")):
            raise CheckpointError(
                f"{folder / TOKENIZER_CONFIG} has {token['content']!r} take spaces beside it, which is not known here",
                advice=_REFETCH,
            )
    return {token["content"]: int(number) for number, token in listed.items()}


def _content(token: str | Mapping[str, Any]) -> str:
    return token if isinstance(token, str) else str(token["content"])


def _tidied(text: str) -> str:
    """Without the spaces that an old cleaning step of the original takes for artefacts."""
    for before, after in _TIDY:
        text = text.replace(before, after)
    return text


_TIDY = (
    *((f" {mark}", mark) for mark in ".?!,"),
    (" ' ", "'"),
    *((f" {ending}", ending) for ending in ("n't", "'m", "'s", "'ve", "'re")),
)

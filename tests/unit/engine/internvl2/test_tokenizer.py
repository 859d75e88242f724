from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sentencepiece", reason="needs the vlm extra")
pytest.importorskip("transformers", reason="needs the vlm extra")

from engine.errors import CheckpointError
from engine.internvl2.tokenizer import Tokenizer, load_tokenizer
from tests.unit.engine.internvl2.checkpoints import SHARED, write_qwen2_tokenizer, write_sentencepiece_tokenizer


@pytest.mark.skipif(not SHARED.exists(), reason="shared/data/internvl2 is not here")
@pytest.mark.parametrize("name", ["tok-internlm2", "tok-qwen2"])
def test_every_string_gives_the_ids_and_the_text_of_the_original(name: str) -> None:
    tokenizer = load_tokenizer(SHARED / name)
    oracle = json.loads((SHARED / name / "tokenizer_oracle.json").read_text(encoding="utf-8"))
    assert len(oracle["cases"]) == 44
    for case in oracle["cases"]:
        assert tokenizer.encode(case["text"]) == case["ids"]
        assert tokenizer.encode(case["text"], special=False) == case["ids_no_special"]
        assert tokenizer.decode(case["ids"], skip_special=False) == case["decoded"]
        assert tokenizer.decode(case["ids"]) == case["decoded_skip_special"]
    assert {token: tokenizer.id_of(token) for token in oracle["special_ids"]} == oracle["special_ids"]


def _sentencepiece(folder: Path, *, dummy_prefix: bool, kind: str = "InternLM2Tokenizer") -> Tokenizer:
    return load_tokenizer(write_sentencepiece_tokenizer(folder, kind, dummy_prefix=dummy_prefix))


def test_the_dummy_prefix_is_the_files_and_goes_before_every_piece_of_text(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    without = _sentencepiece(tmp_path / "without", dummy_prefix=False)
    prefixed = _sentencepiece(tmp_path / "with", dummy_prefix=True)
    assert without.encode("the") == [1, *without.encode("the", special=False)]
    assert prefixed.encode("the<img>the", special=False) == [
        *prefixed.encode("the", special=False),
        prefixed.id_of("<img>"),
        *prefixed.encode("the", special=False),
    ]
    assert prefixed.encode("the", special=False) == [prefixed.id_of("▁the")]
    with pytest.raises(CheckpointError, match="no token '▁the'"):
        without.id_of("▁the")
    assert prefixed.decode(prefixed.encode("the gate")) == "the gate"
    assert without.decode(without.encode(" the gate")) == " the gate"


def test_the_longest_added_token_wins(tmp_path: Path) -> None:
    write_sentencepiece_tokenizer(tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    settings["added_tokens_decoder"] |= {"296": {"content": "<img><img>"}, "297": {"content": "<im"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode("<img><img><img><im", special=False) == [296, tokenizer.id_of("<img>"), 297]


def test_llama_drops_a_space_at_the_very_beginning_of_an_answer_and_internlm2_does_not(tmp_path: Path) -> None:
    internlm2 = _sentencepiece(tmp_path, dummy_prefix=False)
    llama = _sentencepiece(tmp_path, dummy_prefix=False, kind="LlamaTokenizer")
    ids = internlm2.encode(" the gate")
    assert (internlm2.decode(ids), llama.decode(ids)) == (" the gate", "the gate")


def test_the_new_llama_way_of_splitting_is_refused(tmp_path: Path) -> None:
    write_sentencepiece_tokenizer(tmp_path, "LlamaTokenizer")
    _change(tmp_path, legacy=False)
    with pytest.raises(CheckpointError, match="sets legacy to false"):
        load_tokenizer(tmp_path)


def test_a_merge_that_looks_like_a_comment_is_dropped_as_the_original_drops_it(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_qwen2_tokenizer(tmp_path))
    assert tokenizer.encode("the##") == [tokenizer.id_of("the"), tokenizer.id_of("#"), tokenizer.id_of("#")]


def test_qwen2_composes_accents_before_it_splits(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_qwen2_tokenizer(tmp_path))
    assert tokenizer.encode("e\u0301") == tokenizer.encode("é")
    assert tokenizer.decode(tokenizer.encode("<img>你好")) == "你好"


def test_ids_that_no_token_has_give_no_text(tmp_path: Path) -> None:
    qwen2 = load_tokenizer(write_qwen2_tokenizer(tmp_path))
    assert qwen2.decode([*qwen2.encode("the"), 5000]) == "the"
    internlm2 = _sentencepiece(tmp_path, dummy_prefix=False)
    assert internlm2.decode([*internlm2.encode("the"), 5000]) == "the"


def test_a_token_that_is_not_there_is_named(tmp_path: Path) -> None:
    for write in (write_qwen2_tokenizer, write_sentencepiece_tokenizer):
        with pytest.raises(CheckpointError, match="no token '<nothing>'"):
            load_tokenizer(write(tmp_path)).id_of("<nothing>")


def test_a_tokenizer_json_is_used_as_it_is(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Fast
    from tokenizers import models, processors

    fast = Fast(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    fast.add_special_tokens(["<s>", "<IMG_CONTEXT>"])
    fast.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 3)])
    fast.save(str(tmp_path / "tokenizer.json"))
    added = {"3": {"content": "<s>"}, "4": {"content": "<IMG_CONTEXT>"}}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": added}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode("ab<IMG_CONTEXT>") == [3, 2, 4]
    assert tokenizer.encode("ab", special=False) == [2]
    assert tokenizer.decode([3, 2]) == "ab"
    assert (tokenizer.id_of("<IMG_CONTEXT>"), tokenizer.size) == (4, 5)
    _change(tmp_path, added_tokens_decoder={"7": {"content": "<IMG_CONTEXT>"}})
    with pytest.raises(CheckpointError, match="no token '<IMG_CONTEXT>' with id 7"):
        load_tokenizer(tmp_path)


def test_an_unknown_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "InternLM3Tokenizer"}')
    with pytest.raises(CheckpointError, match="'InternLM3Tokenizer', which is not known"):
        load_tokenizer(tmp_path)


def test_tokens_that_take_spaces_beside_them_are_refused(tmp_path: Path) -> None:
    write_qwen2_tokenizer(tmp_path)
    _change(tmp_path, added_tokens_decoder={"260": {"content": "<img>", "rstrip": True}})
    with pytest.raises(CheckpointError, match="'<img>' take spaces beside it"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_without_its_added_tokens_is_refused(tmp_path: Path) -> None:
    write_qwen2_tokenizer(tmp_path)
    _change(tmp_path, added_tokens_decoder=None)
    with pytest.raises(CheckpointError, match="no added_tokens_decoder"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.model", "vocab.json", "merges.txt"])
@pytest.mark.parametrize("damage", ["gone", "rubbish"])
def test_damaged_tokenizer_files_are_refused_in_one_line(tmp_path: Path, name: str, damage: str) -> None:
    write = write_sentencepiece_tokenizer if name == "tokenizer.model" else write_qwen2_tokenizer
    write(tmp_path)
    if damage == "gone":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text("rub bish of three words")
    with pytest.raises(CheckpointError) as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


def _change(folder: Path, **changes: Any) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

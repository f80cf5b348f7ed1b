"""What the model is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.prompt import BOS, EMPTY, PAD, Prompts, prompt_ids, tokenizer

ASKED = "In: What action should the robot take to put the mug on the plate?\nOut:"


def test_the_words_are_openvlas() -> None:
    """Lower case, the question, and 29871 last."""
    said: list[str] = []

    def encode(text: str) -> list[int]:
        said.append(text)
        return [BOS, 7]

    assert prompt_ids(encode, "Put the MUG on the plate") == [BOS, 7, EMPTY]
    assert said == [ASKED]
    assert prompt_ids(lambda text: [7, EMPTY], "push") == [BOS, 7, EMPTY]


def test_prompts_are_padded_on_the_right() -> None:
    ids, mask = Prompts(lambda text: [BOS, *range(len(text.split()))])(["push", "push the mug", "push"])
    assert ids.shape == mask.shape
    lengths = mask.sum(1).tolist()
    assert lengths == [len(ids[1]) - 2, len(ids[1]), len(ids[1]) - 2]
    for row, length in zip(ids, lengths, strict=True):
        assert row[0] == BOS
        assert row[length - 1] == EMPTY
        assert (row[length:] == PAD).all()


def test_an_instruction_is_tokenized_once() -> None:
    said: list[str] = []
    prompts = Prompts(lambda text: said.append(text) or [BOS])  # type: ignore[func-returns-value]
    prompts(["push", "push"])
    prompts(["push", "lift"])
    assert len(said) == 2


def test_the_stand_in_has_llamas_special_ids(standin: Path) -> None:
    ids = prompt_ids(tokenizer(standin), "put the white mug on the plate")
    assert ids[0] == BOS
    assert ids.count(EMPTY) == 1 and ids[-1] == EMPTY
    assert len(ids) < 30, "as short as a real prompt: words of the tasks are tokens"
    assert PAD not in ids


def test_nothing_is_unknown_to_the_stand_in(standin: Path) -> None:
    encode = tokenizer(standin)
    first, second = encode("Ünïcode 机器人"), encode("Ünïcode 机器火")
    assert 0 not in first
    assert first != second


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no tokenizer.*tokenizer.json of openvla/openvla-7b"):
        tokenizer(tmp_path)


@pytest.mark.skipif(
    "OPENVLA_TOKENIZER" not in os.environ,
    reason="OPENVLA_TOKENIZER names no folder with the real tokenizer of openvla/openvla-7b",
)
def test_the_real_tokenizer() -> None:
    """Also that tokenizer.json and what transformers makes of the folder agree."""
    from transformers import AutoTokenizer

    folder = Path(os.environ["OPENVLA_TOKENIZER"])
    ids = prompt_ids(tokenizer(folder), "put the mug on the plate")
    theirs = list(AutoTokenizer.from_pretrained(folder, local_files_only=True)(ASKED).input_ids)
    assert ids == (theirs if theirs[-1] == EMPTY else [*theirs, EMPTY])
    assert ids[0] == BOS and ids.count(BOS) == 1
    assert max(ids) < PAD
    assert ids[-3:-1] == [3744, 29901], "Out, :"  # Llama 2's words for the end of the prompt

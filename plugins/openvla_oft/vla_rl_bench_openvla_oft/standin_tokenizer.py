"""A stand-in for Llama 2's tokenizer, which cannot be shipped: its special ids, and words of its own.

Byte-pair encoding with byte fallback, learned from the few words below; nothing is ever unknown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vla_rl_bench_openvla_oft.prompt import BOS, EMPTY, PAD, TEMPLATE

LABEL = "stand-in, random weights, not a real tokenizer"
_MERGES_UP_TO = 900  # words in the vocabulary; enough for every word below
_WORDS = """the and of in on it to from up put place pick push pull open close turn move lift stack press shake hand
pour rotate both left right top middle bottom front back center next between under over red green blue yellow white
black wooden small large alphabet soup cream cheese box butter milk orange juice tomato sauce ketchup salad dressing bbq
chocolate pudding basket bowl plate mug book caddy drawer cabinet stove moka pot pots microwave frypan wine bottle rack
ramekin cookie block blocks table cup bucket bell alarm clock phone stand toy car mouse pad laptop switch hammer skillet
bread can shoe object compartment region layer cookies then above place dual arm grasp beat rank size by touch goal"""


def write(folder: Path) -> None:
    """tokenizer.json, tokenizer_config.json and special_tokens_map.json."""
    _build().save(str(folder / "tokenizer.json"))
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<PAD>"}
    config = {
        **special,
        "stand_in": LABEL,
        "padding_side": "right",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 2048,
        "clean_up_tokenization_spaces": False,
    }
    for name, content in (("tokenizer_config.json", config), ("special_tokens_map.json", special)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _build() -> Any:
    from tokenizers import Tokenizer, models, normalizers, processors

    vocabulary, merges = _learned()
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])  # as Llama 2's
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", BOS)])
    made.add_special_tokens(["<unk>", "<s>", "</s>", "<PAD>"])
    return made


def _learned() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """-> token -> id, and the merges in their order.  Ids: 3 special tokens, 256 bytes, what was learned, the two."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    fixed = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]  # Llama 2's first 259
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=len(fixed) + _MERGES_UP_TO, special_tokens=fixed, show_progress=False)
    frame = TEMPLATE.format(instruction="do").replace("\n", " ")
    learner.train_from_iterator([frame] * 20 + _WORDS.split(), trainer)
    model = json.loads(learner.to_str())["model"]
    vocabulary = dict(model["vocab"])
    vocabulary["▁"], vocabulary["<PAD>"] = EMPTY, PAD
    return vocabulary, [tuple(merge) for merge in model["merges"]]

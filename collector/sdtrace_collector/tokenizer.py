"""Tokenizers that need no download.

Random weights do not care which tokens a prompt becomes, only how many there are.
"""

from __future__ import annotations

from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

START, END = "<|startoftext|>", "<|endoftext|>"
_CHAT = ("<|im_start|>", "<|im_end|>")


def byte_tokenizer(start_id: int, end_id: int, length: int) -> Any:
    """One token for each byte, between start and end; those and padding have the ids of the text model.

    `length`: tokens per prompt, padding included.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: index for index, letter in enumerate(alphabet)} | {START: start_id, END: end_id}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token=END))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, start_id), (END, end_id)]
    )
    return _fast(tokenizer, bos_token=START, eos_token=END, unk_token=END, model_max_length=length)


def word_tokenizer(vocabulary: int) -> Any:
    """One token for each word, sign and line break: as many as a language model's own has for plain words.

    Every word has the same id; `vocabulary` is the first id that is no word's.
    """
    tokenizer = Tokenizer(models.WordLevel(vocab={START: 0, END: vocabulary - 1}, unk_token=START))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[^\S\n]+"), "removed"),
            pre_tokenizers.Split(Regex(r"\n|[^\w\s]"), "isolated"),
        ]
    )
    tokenizer.add_special_tokens(list(_CHAT))
    return _fast(tokenizer, unk_token=START, eos_token=END)


def tokenizer_of(kind: str, config: dict[str, Any]) -> Any:
    """The tokenizer of a geometry: `bytes` or `words`."""
    makers: dict[str, Any] = {"bytes": byte_tokenizer, "words": word_tokenizer}
    return makers[kind](**config)


def _fast(tokenizer: Tokenizer, **more: Any) -> Any:
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=tokenizer, pad_token=END, **more)

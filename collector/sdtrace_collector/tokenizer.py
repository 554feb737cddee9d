"""A tokenizer that needs no download: one token per byte, in CLIP's frame of start, end and 77 places.

Random weights do not care which tokens a prompt becomes, only how many there are; ids and shapes are CLIP's.
"""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

START, END = "<|startoftext|>", "<|endoftext|>"


def byte_tokenizer(start_id: int, end_id: int, length: int) -> Any:
    """A tokenizer whose start, end and padding ids are those of the text model it feeds.

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
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=length,
    )

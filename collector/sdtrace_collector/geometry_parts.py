"""What a geometry is made of, and parts that several models have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Geometry:
    """One model: its diffusers pipeline class and the class and configuration of each part.

    `networks` and `tokenizers` go by the pipeline's names. A tokenizer is (kind, what its function in
    `tokenizer` takes). `options` are other arguments of the pipeline's class, parts that it runs without
    among them.
    """

    pipeline: str
    networks: Mapping[str, tuple[str, Config]]
    scheduler: str
    scheduler_config: Config
    tokenizers: Mapping[str, tuple[str, Config]]
    options: Config = field(default_factory=dict)


def clip(hidden: int, layers: int, **more: object) -> Config:
    """A CLIP text model; 64 features a head and four times as many in the MLP, as all of the family have."""
    return {
        "hidden_size": hidden,
        "intermediate_size": hidden * 4,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64,
        "vocab_size": 49408,
        "max_position_embeddings": 77,
        "hidden_act": "quick_gelu",
        "bos_token_id": 49406,
        "eos_token_id": 49407,
    } | more


def vae(channels: tuple[int, ...], **more: object) -> Config:
    """An `AutoencoderKL`."""
    return {
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ("DownEncoderBlock2D",) * len(channels),
        "up_block_types": ("UpDecoderBlock2D",) * len(channels),
        "block_out_channels": channels,
        "layers_per_block": 2,
        "latent_channels": 4,
        "norm_num_groups": 32,
        "scaling_factor": 0.18215,
        "force_upcast": False,
    } | more


def t5(vocabulary: int) -> Config:
    """The encoder of T5 v1.1 XXL, or of UMT5 XXL with its larger vocabulary."""
    return {
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "vocab_size": vocabulary,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    }


def padded(vocabulary: int) -> tuple[str, Config]:
    """The tokenizer for a T5: what frames a prompt does not matter to it, how long it is padded does."""
    return "bytes", {"start_id": vocabulary - 2, "end_id": vocabulary - 1, "length": 512}


def framed(config: Config) -> tuple[str, Config]:
    """The tokenizer for a CLIP text model."""
    ids = {"start_id": config["bos_token_id"], "end_id": config["eos_token_id"]}
    return "bytes", {**ids, "length": config["max_position_embeddings"]}

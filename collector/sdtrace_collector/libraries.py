"""Classes of diffusers and transformers by name, and networks made from their configuration alone."""

from __future__ import annotations

from typing import Any

import diffusers
import torch
import transformers

from sdtrace_collector.geometry_parts import Config
from sdtrace_collector.weights import random_network


def library_class(name: str) -> Any:
    """A class of diffusers, else of transformers; None where neither has it. They carry no types."""
    return getattr(diffusers, name, None) or getattr(transformers, name, None)


def network_of(kind: str, config: Config, dtype: torch.dtype, device: torch.device) -> torch.nn.Module:
    """A network of this class and configuration, with random weights."""
    made = library_class(kind)
    if hasattr(made, "from_config"):
        return random_network(lambda: made.from_config(config), dtype, device)
    return random_network(lambda: made(made.config_class(**config)), dtype, device)

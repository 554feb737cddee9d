"""What a profile leaves behind in a process, and how it goes."""

from __future__ import annotations

import os
from typing import Any, Final

import torch

_TEARDOWN: Final = "TEARDOWN_CUPTI"
_SINCE: Final = (12, 6)
"""CUDA's version: in older ones, detaching and CUDA graphs do not go together."""


def let_go_after_profiles() -> None:
    """Has torch detach CUPTI when a profile ends, unless the environment says otherwise.

    Left attached, it makes later calls of CUDA's runtime slower: on an H100, images after a profile took 1 to
    16 % longer than those before it, in seven processes of seven; detached, in none of four. It comes back
    with the next profile.
    """
    version: Any = torch.version.cuda
    if version and tuple(map(int, version.split(".")[:2])) >= _SINCE:
        os.environ.setdefault(_TEARDOWN, "1")

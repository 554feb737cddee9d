"""Settings that `sdtrace tune` tries at once: what may bring too little alone, what helps only together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sdtrace_collector.tune.loop import Loop
from sdtrace_collector.variants import Axes
from tests.collector.test_tune_decisions import FASTEST, Simulated, best, each_helps, outcomes, tuned

POOL = (
    "compile_text_encoder=on+grad_mode=inference_mode+memory_format=channels_last+group_norm=by_channel"
    "+timesteps=host"
)


def test_what_may_bring_too_little_to_be_measured_is_tried_at_once() -> None:
    loop = tuned(Simulated(each_helps))
    names = [trial.name for trial in loop.tuning.trials]
    assert POOL in names
    # What changes the picture, or promises much, is a trial of its own; so is what came too late.
    assert {"compile_vae=on", "dtype=bf16", "attention=sdpa", "quantization=fp8", "fused_qkv=on"} < {*names}


def test_a_pool_that_is_not_faster_is_tried_one_by_one() -> None:
    """A layout helps only with norms that keep it; one setting costs more than all others bring."""

    def wall(axes: Axes) -> float:
        pair = (axes.memory_format == "channels_last", axes.group_norm == "by_channel")
        costs = 3.0 if axes.timesteps == "host" else 1.0
        return each_helps(axes) * costs * {(True, True): 0.6, (False, False): 1.0}.get(pair, 1.4)

    loop = tuned(Simulated(wall))
    assert outcomes(loop)[POOL] == "slower"
    assert outcomes(loop)["timesteps=host"] == "slower"
    assert best(loop) == replace(FASTEST, timesteps="device", memory_format="contiguous", group_norm="module")


def test_a_pool_with_another_picture_excludes_none_of_its_settings() -> None:
    class Wrong(Simulated):
        def picture(self, axes: Axes) -> Any:
            wrong = axes.timesteps == "host"
            return np.zeros((3, 8, 8), np.float32) if wrong else super().picture(axes)

    loop = tuned(Wrong(each_helps))
    assert outcomes(loop)[POOL] == outcomes(loop)["timesteps=host"] == "other picture"
    assert best(loop) == replace(FASTEST, timesteps="device")


def test_settings_that_need_each_other_are_tried_together(monkeypatch: pytest.MonkeyPatch) -> None:
    def wall(axes: Axes) -> float:
        pair = (axes.memory_format == "channels_last", axes.group_norm == "by_channel")
        return each_helps(axes) * {(True, True): 0.6, (False, False): 1.0}.get(pair, 1.4)

    monkeypatch.setattr(Loop, "_pooled", lambda *_: None)
    loop = tuned(Simulated(wall))
    assert best(loop) == FASTEST
    assert loop.tuning.trials[-1].name == "memory_format=channels_last+group_norm=by_channel"

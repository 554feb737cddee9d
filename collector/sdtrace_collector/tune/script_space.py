"""What may be set on a script from outside, which finding suggests it, and what suits its pipelines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, Final

from sdtrace_collector.likeness import is_same_picture
from sdtrace_collector.script.outside import AS_IT_IS, Outside
from sdtrace_collector.script.pipeline_facts import NetworkFacts
from sdtrace_collector.script.record import ScriptFacts
from sdtrace_collector.tune.cures import Candidate, Cure, Settings, Where, matching
from sdtrace_collector.tune.space import Point
from sdtrace_collector.variants import Axes

_FEWER_LAUNCHES: Final = (
    ({"compile": "regional"}, "fused kernels are fewer launches"),
    ({"compile": "default"}, "fused kernels are fewer launches"),
    ({"compile": "reduce-overhead"}, "a CUDA graph is one launch"),
)
_VAE: Final = ({"compile_vae": "on"}, "the VAE still runs op by op")
_ROUNDED: Final = (
    ({"dtype": "bf16"}, "tensor cores multiply 16-bit numbers several times as fast"),
    ({"tf32": "on"}, "tensor cores take float32 rounded to TF32"),
)
SCRIPT_CURES: Final = (
    *(Cure("device.float32", *cure) for cure in _ROUNDED),
    Cure("device.slow_attention", *_ROUNDED[0]),
    Cure("device.slow_attention", {"attention": "cudnn"}, "cuDNN's attention kernel is another one"),
    *(Cure("host.launch_bound", *cure) for cure in (*_FEWER_LAUNCHES, _VAE)),
    *(Cure("device.small_kernels", *cure) for cure in _FEWER_LAUNCHES),
    *(Cure("host.component", *cure, mentions="unet") for cure in _FEWER_LAUNCHES),
    *(Cure("host.component", *cure, mentions="transformer") for cure in _FEWER_LAUNCHES),
    Cure("host.component", *_VAE, mentions="vae"),
    Cure("host.copies", {"offload": "off"}, "weights stay on the GPU"),
    Cure("device.layout", {"memory_format": "channels_last"}, "convolutions get the layout they want"),
    Cure("device.conv*", {"cudnn_benchmark": "on"}, "cuDNN tries its convolution algorithms"),
)
"""In the order of trial, for each finding."""
_ON_A_GPU: Final = (
    {"offload": "off"},
    {"dtype": "bf16"},
    {"attention": "cudnn"},
    {"attention": "flash3"},
    {"compile": "regional"},
    {"compile": "default"},
    {"compile": "reduce-overhead"},
    {"compile_vae": "on"},
    {"memory_format": "channels_last"},
)
_ON_A_CPU: Final = ({"dtype": "bf16"}, {"memory_format": "channels_last"}, {"compile": "regional"})
_COMPILING: Final = (AS_IT_IS, "regional", "default", "reduce-overhead")
"""A compile mode is only left for a further one."""


class ScriptSpace:
    """The settings that suit a script's pipelines, as a first run of it described them."""

    def __init__(self, facts: ScriptFacts) -> None:
        self._networks = {
            name: network for pipe in facts.pipelines for name, network in pipe.networks.items()
        }
        self._denoisers = self._of("unet", "transformer")

    @property
    def denoiser(self) -> str:
        """The pipeline's name for it, '' where it has none."""
        return next((n for n, each in self._networks.items() if each.range in ("unet", "transformer")), "")

    def advised(self, findings: list[Any], point: Point, where: Where) -> Iterator[Candidate]:
        """As `Space` says."""
        for finding, cure in matching(findings, SCRIPT_CURES):
            if self.moved(point, cure.settings, where) is not None:
                yield Candidate(cure.settings, cure.reason, finding)

    def known_to_help(self, point: Point, where: Where) -> Iterator[Candidate]:
        """As `Space` says."""
        for settings in _ON_A_GPU if where.device == "cuda" else _ON_A_CPU:
            if self.moved(point, settings, where) is not None:
                yield Candidate(settings, "helped elsewhere on such a device")

    def moved(self, point: Point, settings: Settings, where: Where) -> Point | None:
        """As `Space` says."""
        before = Outside(**point)
        after = replace(before, **settings)
        if after == before or not all(self._suits(axis, value, where) for axis, value in settings.items()):
            return None
        modes = [_COMPILING.index(each.compile) for each in (before, after)]
        if modes[1] < modes[0] or ("dtype" in settings and before.dtype != AS_IT_IS):
            return None
        if settings.get("memory_format") == "channels_last" and not self._compiles(after):
            return None
        return asdict(after)

    def is_compiled(self, point: Point) -> bool:
        """As `Space` says."""
        return self._compiles(Outside(**point))

    def is_same_picture(self, psnr: float, point: Point, device: str) -> bool:
        """As `Space` says; a script in 16 bits rounds as they do."""
        in_32_bits = all(network.dtypes[:1] == ["float32"] for network in self._denoisers)
        is_plain = in_32_bits and point["dtype"] == AS_IT_IS and point["tf32"] == AS_IT_IS
        return is_same_picture(psnr, Axes(tf32="off") if is_plain else Axes(dtype="bf16"), device)

    def _suits(self, axis: str, value: str, where: Where) -> bool:
        """Whether a setting may help these pipelines on this device at all."""
        on_gpu = where.device == "cuda"
        checks: dict[str, bool] = {
            "offload": on_gpu and any(network.offload for network in self._networks.values()),
            "dtype": self._has_float32() and not where.keep_dtype and (where.major or 8) >= 8,
            "tf32": on_gpu and self._has_float32(),
            "attention": on_gpu and (value != "flash3" or bool(self._of("transformer"))),
            "compile": _can_compile(self._denoisers) and (on_gpu or value != "reduce-overhead"),
            "compile_vae": _can_compile(self._of("vae")),
            "memory_format": bool(self._of("unet", "vae")),
        }
        return checks.get(axis, on_gpu)

    def _compiles(self, point: Outside) -> bool:
        return point.compiled or any(each.compiled for each in self._denoisers)

    def _has_float32(self) -> bool:
        return any(network.dtypes == ["float32"] for network in self._denoisers)

    def _of(self, *ranges: str) -> list[NetworkFacts]:
        return [network for network in self._networks.values() if network.range in ranges]


def _can_compile(networks: list[NetworkFacts]) -> bool:
    return bool(networks) and not any(network.compiled for network in networks)

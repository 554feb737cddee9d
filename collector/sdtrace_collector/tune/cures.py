"""Which setting answers which finding, as data, and what to try when no finding names a setting.

Of the values that `sdtrace variants` lists, these answer no finding: `compile=max-autotune`,
`compile=regional` and `compile=regional-reduce-overhead` change what is paid once more than an image;
`tf32=off` and `grad_mode=grad` only cost; `attention=flash` is what torch takes where cuDNN's is no better;
`attention=flash3` and `attention=sage` are seldom installed; `combo_kernels=on` is an experiment of Inductor;
`cache=lossy_first_block` and `cache=lossy_skip_steps` change the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from sdtrace.errors import UsageError
from sdtrace_collector.variants import Axes, find_variant, move

Settings = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cure:
    """What a finding suggests. `finding` is a pattern of ids; `mentions` a word of the finding's title."""

    finding: str
    settings: Settings
    reason: str
    mentions: str = ""


class Where(NamedTuple):
    """What a setting must suit: `cuda` or `cpu`, the GPU's compute capability, whether dtypes may change."""

    device: str
    major: int | None = None
    keep_dtype: bool = False


class Candidate(NamedTuple):
    """A move that may help, and the findings that say so, the best first."""

    settings: Settings
    reason: str
    findings: tuple[Any, ...] = ()


_SIXTEEN_BIT: Final = "tensor cores multiply 16-bit numbers several times as fast"
_TENSOR_CORES: Final = tuple(
    (settings, reason)
    for settings, reason in (
        ({"dtype": "bf16"}, _SIXTEEN_BIT),
        ({"dtype": "fp16"}, _SIXTEEN_BIT),
        ({"tf32": "on"}, "tensor cores take float32 rounded to TF32"),
    )
)
_COMPILED: Final = ({"compile": "default"}, "fused kernels are fewer launches")
_FEWER_LAUNCHES: Final = (
    ({"compile": "reduce-overhead"}, "fused kernels are fewer launches, and a CUDA graph is one"),
    _COMPILED,
)
"""Graphs first: where they can be recorded, compiling alone is no trial of its own."""
_OUTSIDE_GRAPHS: Final = (
    ({"compile_text_encoder": "on"}, "the text encoder still runs op by op"),
    ({"compile_vae": "on"}, "the VAE still runs op by op"),
)

CURES: Final = (
    *(Cure("device.float32", *cure) for cure in _TENSOR_CORES[:2]),
    Cure("device.tf32", *_TENSOR_CORES[2]),
    *(Cure("device.*tensor_cores*", *cure) for cure in _TENSOR_CORES),
    *(Cure("device.slow_attention", *cure) for cure in _TENSOR_CORES[:2]),
    Cure("device.slow_attention", {"attention": "cudnn"}, "cuDNN's attention kernel is another one"),
    Cure("device.unfused_attention", {"attention": "sdpa"}, "the score matrix stays out of memory"),
    *(Cure("host.launch_bound", *cure) for cure in (*_FEWER_LAUNCHES, *_OUTSIDE_GRAPHS)),
    *(Cure("device.small_kernels", *cure) for cure in _FEWER_LAUNCHES),
    *(Cure("host.component", *cure, mentions="unet") for cure in _FEWER_LAUNCHES),
    *(Cure("host.component", *cure, mentions="transformer") for cure in _FEWER_LAUNCHES),
    Cure("host.component", *_OUTSIDE_GRAPHS[0], mentions="text_encoder"),
    Cure("host.component", *_OUTSIDE_GRAPHS[1], mentions="vae"),
    Cure("host.component", {"timesteps": "host"}, "the scheduler asks no GPU", mentions="scheduler"),
    Cure("host.sync", {"timesteps": "host"}, "the scheduler no longer waits for the GPU in every step"),
    Cure("device.layout", {"memory_format": "channels_last"}, "convolutions get the layout they want"),
    Cure("device.weight_layout", {"memory_format": "channels_last"}, "weights are laid out once"),
    Cure("device.*norm*", {"group_norm": "by_channel"}, "group norms become one multiply-add"),
    Cure("device.conv*", {"cudnn_benchmark": "on"}, "cuDNN tries its convolution algorithms"),
    Cure("device.fusion", *_OUTSIDE_GRAPHS[1], mentions="vae"),
    *(Cure("device.fusion", *_COMPILED, mentions=name) for name in ("unet", "transformer")),
    Cure("device.gaps", {"fused_qkv": "on"}, "one matmul in place of three"),
    Cure("device.gaps", {"compile": "default"}, "fused kernels are fewer"),
)
"""In the order of trial, for each finding. A pattern may name findings that do not exist (yet)."""

_ON_A_GPU: Final = find_variant("fastest_fp8").changes()
_ON_A_CPU: Final = {"attention": "sdpa", "grad_mode": "inference_mode", "dtype": "bf16", "compile": "default"}
"""Compiling comes last: all that is tried after it must be compiled too."""

_SENSIBLE: Final[Mapping[tuple[str, str], Callable[[Axes, Where], bool]]] = {
    ("dtype", "bf16"): lambda axes, at: axes.dtype != "fp16" and _has_bf16(at),
    ("dtype", "fp16"): lambda axes, at: axes.dtype == "fp16" and at.device == "cuda" and not _has_bf16(at),
    ("tf32", "on"): lambda axes, at: axes.dtype == "fp32" and at.device == "cuda",
    ("compile", "reduce-overhead"): lambda _, at: at.device == "cuda",
    # In eager mode what stands between convolutions converts the layout back.
    ("memory_format", "channels_last"): lambda axes, _: axes.compiled,
    ("group_norm", "by_channel"): lambda axes, _: axes.compiled,
    ("timesteps", "host"): lambda _, at: at.device == "cuda",
    ("cudnn_benchmark", "on"): lambda _, at: at.device == "cuda",
    ("attention", "cudnn"): lambda _, at: at.device == "cuda",
    ("quantization", "fp8"): lambda axes, at: axes.compiled and at.device == "cuda" and _has_fp8(at),
}
"""Where a value may help at all, given the axes with it; a value that is not here may help anywhere."""
_COMPILING: Final = {
    "none": 0,
    "regional": 1,
    "default": 1,
    "regional-reduce-overhead": 2,
    "reduce-overhead": 2,
    "max-autotune": 2,
}
"""A compile mode is only left for a further one."""


def matching(findings: list[Any], cures: tuple[Cure, ...]) -> Iterator[tuple[Any, Cure]]:
    """Each finding with the cures that answer it, best finding first."""
    for finding in findings:
        for cure in cures:
            if fnmatchcase(finding.id, cure.finding) and cure.mentions in finding.title:
                yield finding, cure


def advised(findings: list[Any], axes: Axes, where: Where) -> Iterator[Candidate]:
    """Settings that the findings suggest, best finding first, that are not set and make sense."""
    for finding, cure in matching(findings, CURES):
        if moved(axes, cure.settings, where) is not None:
            yield Candidate(cure.settings, cure.reason, (finding,))


def known_to_help(axes: Axes, where: Where) -> Iterator[Candidate]:
    """Settings that helped elsewhere on such a device, each alone."""
    for axis, value in (_ON_A_GPU if where.device == "cuda" else _ON_A_CPU).items():
        if moved(axes, {axis: value}, where) is not None:
            yield Candidate({axis: value}, "helped elsewhere on such a device")


def moved(axes: Axes, settings: Settings, where: Where) -> Axes | None:
    """`axes` with these settings; None where that changes nothing, cannot run or makes no sense."""
    try:
        after = move(axes, settings)
    except UsageError:
        return None
    changes = {axis: value for axis, value in settings.items() if getattr(axes, axis) != value}
    if not changes or (where.keep_dtype and changes.keys() & {"dtype", "quantization"}):
        return None
    if "dtype" in changes and axes.dtype != "fp32":
        return None
    if "compile" in changes and _COMPILING[after.compile] <= _COMPILING[axes.compile]:
        return None
    checks = (check for change in changes.items() if (check := _SENSIBLE.get(change)))
    return after if all(check(after, where) for check in checks) else None


def _has_fp8(where: Where) -> bool:
    """Whether its matrix units multiply 8-bit numbers with a scale for each row."""
    return where.major is None or where.major >= 9


def _has_bf16(where: Where) -> bool:
    """Whether the device multiplies bfloat16 quickly; on a CPU only trying can tell."""
    return where.device != "cuda" or where.major is None or where.major >= 8

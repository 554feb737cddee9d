"""Variants: named points on axes, as data.

A variant is the base `fp32_eager` with some axes moved. Everything else in the collector reads the axes;
nothing asks for a variant by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from sdtrace.errors import UsageError
from sdtrace.suggestions import did_you_mean

EXACT: Final = "exact"
ROUNDING: Final = "equal up to rounding"
LOSSY: Final = "lossy"
EFFECTS: Final = (EXACT, ROUNDING, LOSSY)
"""What a setting does to the picture, the least first. Lossy settings leave out work."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing a variant can change. The base's value comes first.

    `effect` is what a value other than the base's does to the picture; `others` are values with another one.
    """

    name: str
    values: tuple[str, ...]
    meaning: str
    effect: str = ROUNDING
    others: Mapping[str, str] = field(default_factory=dict)

    def effect_of(self, value: str) -> str:
        """What a value does to the picture, against the base's."""
        return EXACT if value == self.values[0] else self.others.get(value, self.effect)


AXES: Final = (
    Axis("dtype", ("fp32", "bf16", "fp16"), "weights and activations"),
    Axis(
        "attention",
        ("unfused", "sdpa", "cudnn", "flash", "flash3", "sage"),
        "denoiser and VAE: baddbmm, softmax, bmm; scaled_dot_product_attention, torch's choice, cuDNN's or "
        "flash; in transformers FlashAttention 3 or SageAttention, where installed",
        others={"sage": LOSSY},
    ),
    Axis(
        "compile",
        ("none", "default", "reduce-overhead", "max-autotune", "regional", "regional-reduce-overhead"),
        "torch.compile of the denoiser; max-autotune tries GEMM kernels, regional takes the repeated blocks",
    ),
    Axis(
        "grad_mode",
        ("no_grad", "inference_mode", "grad"),
        "what surrounds the pipeline's call",
        effect=EXACT,
    ),
    Axis("memory_format", ("contiguous", "channels_last"), "NCHW or NHWC, denoiser and VAE"),
    Axis(
        "tf32", ("default", "on", "off"), "TF32 in float32; default is torch's own: convolutions, not matmuls"
    ),
    Axis(
        "quantization",
        ("none", "fp8"),
        "matmuls of the repeated blocks in 8 bits, a scale for each row and each output channel",
    ),
    Axis("fused_qkv", ("off", "on"), "one matmul for Q, K and V"),
    Axis("compile_vae", ("off", "on"), "the VAE's decoder compiled as the denoiser is"),
    Axis("compile_text_encoder", ("off", "on"), "the text encoders compiled as the denoiser is"),
    Axis("combo_kernels", ("off", "on"), "Inductor launches small kernels that are independent as one"),
    Axis(
        "group_norm",
        ("module", "by_channel"),
        "group norms as torch has them, or as one multiply-add that keeps NHWC tensors NHWC",
    ),
    Axis(
        "timesteps",
        ("device", "host"),
        "where the scheduler has its timesteps; on the device each step waits",
        effect=EXACT,
    ),
    Axis(
        "cudnn_benchmark",
        ("off", "on"),
        "convolution algorithms by trying them once, or by cuDNN's heuristics",
    ),
    Axis(
        "cache",
        ("none", "lossy_first_block", "lossy_skip_steps"),
        "leave out blocks while the first one changes little, or every second step of the middle",
        effect=LOSSY,
    ),
)
AXIS_NAMES: Final = tuple(axis.name for axis in AXES)


@dataclass(frozen=True, slots=True)
class Axes:
    """A point on the axes; the defaults are the base's."""

    dtype: str = "fp32"
    attention: str = "unfused"
    compile: str = "none"
    grad_mode: str = "no_grad"
    memory_format: str = "contiguous"
    tf32: str = "default"
    quantization: str = "none"
    fused_qkv: str = "off"
    compile_vae: str = "off"
    compile_text_encoder: str = "off"
    combo_kernels: str = "off"
    group_norm: str = "module"
    timesteps: str = "device"
    cudnn_benchmark: str = "off"
    cache: str = "none"

    @property
    def compiled(self) -> bool:
        """Whether anything goes through torch.compile."""
        return self.compile != "none"

    @property
    def cudagraphs(self) -> bool:
        """Whether compiled code is replayed from CUDA graphs."""
        return self.compile in ("reduce-overhead", "max-autotune", "regional-reduce-overhead")

    @property
    def regional(self) -> bool:
        """Whether the denoiser's repeated blocks are compiled, and not the whole of it."""
        return self.compile.startswith("regional")

    @property
    def effect(self) -> str:
        """What they do to the picture, against the base's: the most that one of them does."""
        return max((axis.effect_of(getattr(self, axis.name)) for axis in AXES), key=EFFECTS.index)


@dataclass(frozen=True, slots=True)
class Variant:
    """A named point on the axes."""

    name: str
    axes: Axes

    def changes(self) -> dict[str, str]:
        """The axes on which it differs from the base, in the order of `AXES`."""
        mine, base = asdict(self.axes), asdict(Axes())
        return {name: mine[name] for name in AXIS_NAMES if mine[name] != base[name]}


BASE: Final = "fp32_eager"
_COMPILED = Axes(compile="default")
_FAST = Axes(dtype="bf16", attention="sdpa", compile="default", grad_mode="inference_mode")
_FASTEST = replace(
    _FAST,
    compile="reduce-overhead",
    memory_format="channels_last",
    fused_qkv="on",
    compile_vae="on",
    compile_text_encoder="on",
    group_norm="by_channel",
    timesteps="host",
)
_FASTEST_REGIONAL = replace(_FASTEST, compile="regional")

STUDY: Final = (
    Variant(BASE, Axes()),
    Variant("fp32_compile", _COMPILED),
    Variant("fp32_sdpa", replace(_COMPILED, attention="sdpa")),
    Variant("fp32_inference_mode", replace(_COMPILED, grad_mode="inference_mode")),
    Variant("bf16", replace(_FAST, attention="unfused")),
    Variant("fp16", replace(_FAST, attention="unfused", dtype="fp16")),
    Variant("bf16_sdpa", _FAST),
)
BEYOND: Final = (
    Variant("bf16_sdpa_eager", replace(_FAST, compile="none")),
    Variant("tf32_eager", Axes(tf32="on")),
    Variant("bf16_sdpa_channels_last", replace(_FAST, memory_format="channels_last")),
    Variant("bf16_sdpa_cudagraphs", replace(_FAST, compile="reduce-overhead")),
    Variant("bf16_sdpa_regional", replace(_FAST, compile="regional")),
    Variant("bf16_sdpa_max_autotune", replace(_FAST, compile="max-autotune")),
    Variant("bf16_sdpa_regional_cudagraphs", replace(_FAST, compile="regional-reduce-overhead")),
    Variant("fastest", _FASTEST),
    Variant("fastest_fp8", replace(_FASTEST, quantization="fp8")),
    Variant("fastest_combo_kernels", replace(_FASTEST, combo_kernels="on")),
    Variant("fastest_regional", _FASTEST_REGIONAL),
    Variant("fastest_regional_fp8", replace(_FASTEST_REGIONAL, quantization="fp8")),
    Variant("lossy_first_block_cache", replace(_FASTEST_REGIONAL, cache="lossy_first_block")),
    Variant("lossy_skip_steps", replace(_FASTEST_REGIONAL, cache="lossy_skip_steps")),
)
VARIANTS: Final[Mapping[str, Variant]] = {variant.name: variant for variant in STUDY + BEYOND}


def find_variant(name: str, known: Mapping[str, Variant] = VARIANTS) -> Variant:
    """The variant of that name.

    Raises:
        UsageError: there is none; the message names the nearest and all others.
    """
    if name in known:
        return known[name]
    raise UsageError(f"unknown variant {name!r}{did_you_mean(name, known)}: choose from {', '.join(known)}")


def move(axes: Axes, settings: Mapping[str, str]) -> Axes:
    """`axes` with some of them moved to other values.

    Raises:
        UsageError: an axis or value that does not exist, or a combination that cannot run.
    """
    for name, value in settings.items():
        _check_value(name, value)
    moved = replace(axes, **settings)
    for part in ("compile_vae", "compile_text_encoder", "combo_kernels"):
        if getattr(moved, part) == "on" and not moved.compiled:
            raise UsageError(f"{part}=on without compilation: set compile=default too, or another mode")
    if moved.fused_qkv == "on" and moved.attention == "unfused":
        raise UsageError("fused_qkv=on with unfused attention: set attention=sdpa too")
    if moved.quantization == "fp8" and moved.dtype != "bf16":
        raise UsageError("quantization=fp8 multiplies into bfloat16: set dtype=bf16 too")
    return moved


def adjusted(variant: Variant, settings: Mapping[str, str]) -> Variant:
    """A variant with axes moved by hand, named after what was moved: `bf16+attention=sdpa`.

    Raises:
        UsageError: an axis or value that does not exist, or a combination that cannot run.
    """
    name = "+".join((variant.name, *(f"{axis}={value}" for axis, value in settings.items())))
    return Variant(name, move(variant.axes, settings))


def _check_value(name: str, value: str) -> None:
    axis = next((axis for axis in AXES if axis.name == name), None)
    if axis is None:
        hint = did_you_mean(name, AXIS_NAMES)
        raise UsageError(f"unknown axis {name!r}{hint}: choose from {', '.join(AXIS_NAMES)}")
    if value not in axis.values:
        hint = did_you_mean(value, axis.values)
        raise UsageError(f"{name} cannot be {value!r}{hint}: choose from {', '.join(axis.values)}")

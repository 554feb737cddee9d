"""Traces of runs of known structure, written as Kineto writes them: pipelines, training, language models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.written import Event, call, host, kernel

TEXT = [
    "embedding",
    *(["layer_norm", "linear", "scaled_dot_product_attention", "linear", "gelu"] * 4),
    "layer_norm",
]
_RESNET = ["group_norm", "silu", "conv2d", "group_norm", "silu", "conv2d", "add"]
_ATTENTION = ["layer_norm", "linear", "linear", "linear", "scaled_dot_product_attention", "linear", "add"]
UNET = [
    *("arange", "sin", "cos", "cat", "linear", "silu", "linear", "conv2d"),
    *((*_RESNET, *_ATTENTION, *_ATTENTION, "conv2d") * 3),
    *(*_RESNET, *_ATTENTION, *_RESNET),
    *(("cat", *_RESNET, *_ATTENTION, *_ATTENTION, "upsample_nearest2d", "conv2d") * 3),
    *("group_norm", "silu", "conv2d"),
]
_DIT_BLOCK = [
    "linear",
    "layer_norm",
    "mul",
    "add",
    "linear",
    "scaled_dot_product_attention",
    "linear",
    "gelu",
    "linear",
]
DIT = ["linear", "sin", "cos", "linear", *(_DIT_BLOCK * 12), "layer_norm", "linear"]
VAE_ENCODE = [
    "conv2d",
    *([*_RESNET, "pad", "conv2d"] * 3),
    *_RESNET,
    "group_norm",
    "linear",
    "scaled_dot_product_attention",
    "linear",
    "add",
    *_RESNET,
    "conv2d",
]
VAE_DECODE = [
    "conv2d",
    *_RESNET,
    "group_norm",
    "linear",
    "scaled_dot_product_attention",
    "linear",
    "add",
    *_RESNET,
    *([*_RESNET, *_RESNET, "upsample_nearest2d", "conv2d"] * 3),
    "group_norm",
    "silu",
    "conv2d",
]
VIDEO_DECODE = [
    ("conv3d" if op == "conv2d" else "upsample_nearest3d" if "upsample" in op else op) for op in VAE_DECODE
]
SCHEDULER = ["mul", "sub", "div", "add"]
DECODER_LAYER = [
    "pow",
    "mean",
    "rsqrt",
    "mul",
    "linear",
    "linear",
    "scaled_dot_product_attention",
    "linear",
    "silu",
    "linear",
]
TOKEN = ["embedding", *(DECODER_LAYER * 16), "pow", "mean", "rsqrt", "mul", "linear", "argmax", "cat"]
_STAGE = ["conv2d", "batch_norm", "relu_", "conv2d", "batch_norm", "add_", "relu_"]
RESNET = [
    "to",
    "conv2d",
    "batch_norm",
    "relu_",
    "max_pool2d",
    *(_STAGE * 2),
    "conv2d",
    "batch_norm",
    *(_STAGE * 2),
    "conv2d",
    "batch_norm",
    *(_STAGE * 2),
    "adaptive_avg_pool2d",
    "flatten",
    "linear",
]


class Recorder:
    """Appends host events one after the other, each op with a kernel; times in nanoseconds."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = 1000

    def ops(self, names: Sequence[str], device_ns: int = 3000) -> None:
        """Run ops one after the other."""
        for name in names:
            number = len(self.events) + 1
            self.events += [
                host(f"aten::{name}", self.now, 9000),
                call("cudaLaunchKernel", self.now + 2000, 3000, number),
                kernel(f"{name}_kernel", self.now + 6000, device_ns, number),
            ]
            self.now += 10000

    def compiled(self, name: str, device_ns: int = 400_000) -> None:
        """A call of compiled code, with one kernel."""
        number = len(self.events) + 1
        self.events += [
            host(f"Torch-Compiled Region: {name}", self.now, 90_000),
            call("cuLaunchKernel", self.now + 20_000, 3000, number),
            kernel("triton_poi_fused", self.now + 30_000, device_ns, number),
        ]
        self.now += 100_000

    def graph(self, kernels: int, device_ns: int) -> None:
        """A launch of a CUDA graph of so many kernels."""
        number = len(self.events) + 1
        self.events.append(call("cudaGraphLaunch", self.now, 20_000, number))
        each = device_ns // kernels
        self.events += [
            kernel(f"k{place}", self.now + 5000 + place * each, each, number) for place in range(kernels)
        ]
        self.now += 30_000

    def idle(self, ns: int) -> None:
        """Nothing on the thread."""
        self.now += ns

    @contextmanager
    def mark(self, name: str, category: str = "user_annotation") -> Iterator[None]:
        """An annotation around what runs inside."""
        event = host(name, self.now, 0, category)
        self.events.append(event)
        self.now += 1000
        yield
        event["dur"] = (self.now - 1000) / 1000 - event["ts"] + 1.5
        self.now += 1000

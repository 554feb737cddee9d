"""Findings about device work in pieces too many or too small for the card: what fusing and filling bring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from sdtrace.breakdowns.short_names import short_name
from sdtrace.findings.evidence import Evidence
from sdtrace.findings.finding import Finding, rows_of
from sdtrace.findings.text import listed, literal, percent
from sdtrace.structure.component_names import DENOISERS

_LOST = 5.0
_FUSABLE = 10.0
"""Percent of steady device time."""
_GROWS_LITTLE: Final = frozenset({"launch_bound", "sync", "copy"})
"""Causes of idle time that do not double with the batch."""
_FEW_KERNELS = 10
"""In an iteration: there is little to fuse in so few."""
_FUSED_CATEGORIES = ("activation_elementwise", "normalization", "layout", "reduction", "resample")


def find(e: Evidence) -> Iterator[Finding]:
    """Kernels with few blocks, and work that a compiler would fuse."""
    yield from _few_blocks(e)
    yield from _fusion(e)
    yield from _batch(e)


def _few_blocks(e: Evidence) -> Iterator[Finding]:
    few = e.few_blocks
    if few is None or e.steady_share(few.lost_ns) < _LOST or e.is_host_bound:
        return
    tail = few.ns - few.few_ns
    yield Finding(
        "device.few_blocks",
        "medium",
        "Kernels leave multiprocessors of the GPU idle",
        f"{percent(few.ns, e.steady_work_ns)} of steady device time is in kernels whose blocks do not fill "
        f"the {few.sms} multiprocessors: {percent(few.few_ns, few.ns)} of that with fewer blocks than there "
        f"are, {percent(tail, few.ns)} with a last round that few of them have work in. Most is lost in "
        f"{listed([short_name(few.names[0])])}, with {few.blocks:,} blocks.",
        f"Give each call more work: {e.larger_batches}. A compiler (`torch.compile`) splits reductions and "
        "norms over more blocks. The best case: the same pace on all multiprocessors.",
        confidence="likely",
        evidence_rows=rows_of("kernels", few.names),
        verify=e.steady_work(f"name = {literal(few.names[0])}"),
    )


def _fusion(e: Evidence) -> Iterator[Finding]:
    part = e.fusable
    if part is not None and e.is_host_bound and part.component in DENOISERS:
        part = e.fusable_beside  # Launching less comes first, and compiles the denoiser too.
    if part is None or e.steady_share(part.ns) < _FUSABLE or e.moves_much:
        return
    if part.kernels < _FEW_KERNELS * max(1, e.n_steady):
        return
    yield Finding(
        "device.fusion",
        "medium",
        f"{part.component or 'The model'} runs small steps one by one that a compiler would fuse",
        f"{percent(part.ns, e.steady_work_ns)} of steady device time is elementwise work, norms and "
        f"conversions in {part.component or 'code'} that is not compiled: {part.kernels:,} kernels, "
        f"{percent(part.ns, part.whole_ns)} of its device time. Each reads and writes memory once more.",
        _compile(part.component, e),
        confidence="likely",
        evidence_rows=rows_of("components", [part.component])
        if part.component
        else rows_of(
            "categories", [row.category for row in e.steady_categories if row.category in _FUSED_CATEGORIES]
        ),
        verify=e.steady_work(f"category IN ({', '.join(map(literal, _FUSED_CATEGORIES))})"),
    )


def _batch(e: Evidence) -> Iterator[Finding]:
    if not (e.is_launch_bound and e.steady_idle) or e.moves_much or e.unprofiled_idle_ns is None:
        return
    waits = max(e.steady_idle, key=lambda cause: e.steady_idle[cause])
    if waits not in _GROWS_LITTLE:
        return
    words = _OF_IMAGES if e.makes_images else _OF_BATCHES
    yield Finding(
        "host.batch",
        "info",
        words.title,
        f"{percent(e.unprofiled_idle_ns, e.unprofiled_wall_ns or 1)} of an {e.noun} is not GPU work, and "
        f"{words.evidence}",
        words.advice,
        confidence="likely",
        evidence_rows=rows_of("idle", [waits]),
        verify=e.query("SELECT cause, us / 1000 AS ms, gaps FROM idle"),
    )


class _Words(NamedTuple):
    title: str
    evidence: str
    advice: str


_OF_IMAGES: Final = _Words(
    "A second image in the batch costs less than the first",
    "the CPU launches as much for two images as for one.",
    "Where several images are wanted, make them in one call: `num_images_per_prompt=2` or several "
    "prompts. One image alone does not come earlier. The figures are for one of two images in a batch, "
    "and are bounds: each further image adds 0.45 to 0.9 times the GPU time of the first.",
)
_OF_BATCHES: Final = _Words(
    "A batch twice as large takes less than twice as long",
    "the CPU launches as much for a batch twice as large.",
    "Where the program works on batches and memory allows it, make them larger. An iteration gets no "
    "faster, each sample does. The figures are for half of an iteration with twice the batch, and are "
    "bounds: its GPU work takes 1.45 to 1.9 times as long.",
)


def _compile(component: str, e: Evidence) -> str:
    if component == "vae":
        return "Compile its decoder: `pipe.vae.decode = torch.compile(pipe.vae.decode)`."
    if not e.makes_images:
        return "Compile it: `torch.compile(model)`."
    return "Compile it: `model.compile()`, or `compile_repeated_blocks()`, which compiles faster."

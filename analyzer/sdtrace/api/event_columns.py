"""The columns of the tables that are not in `report.json`: what each holds, and in which unit."""

from __future__ import annotations

from typing import Final, NamedTuple


class About(NamedTuple):
    """A column: its unit ('' for none) and its meaning."""

    unit: str
    help: str


_PLACE: Final = {
    "phase": About("", "Phase of the host; of device work that of its launch."),
    "iteration": About("", "Iteration, counted from 0."),
    "step": About("", "Denoising step of the iteration, counted from 0."),
    "component": About("", "Component of the pipeline that the host was in."),
}
_IDS: Final = {
    "correlation": About("", "Number that a launch and its work share; 0 for none."),
    "nbytes": About("bytes", "Size of a copy or fill; -1 for none."),
}
EVENTS: Final = {
    "name": About("", "As in the file."),
    "category": About("", "Category in the file: cpu_op, kernel, cuda_runtime and so on."),
    "thread": About("", "Process and thread; of device events device and stream."),
    "stream": About("", "Stream of a device event."),
    "start_ns": About("ns", "Start, since the first event."),
    "dur_ns": About("ns", "Duration."),
    "external_id": About("", "Number that an op and what it launches share; 0 for none."),
    **_IDS,
    **_PLACE,
    "work_category": About("", "Category of a kernel, copy or fill: gemm, attention and so on."),
    "op": About("", "Op that launched it; of host events the op around it."),
    "shapes": About("", "Input dims as JSON, of ops whose FLOPs are known."),
}
LAUNCHES: Final = {
    "name": About("", "Kernel, copy or fill."),
    "kind": About("", "kernel, gpu_memcpy or gpu_memset."),
    "category": About("", "gemm, attention, conv and so on."),
    "device": About("", "Device it ran on."),
    "stream": About("", "Stream it ran on."),
    "start_ns": About("ns", "Start on the device, since the first event."),
    "dur_ns": About("ns", "Duration on the device."),
    "launch": About("", "Call that launched it."),
    "launch_start_ns": About("ns", "Start of that call."),
    "launch_dur_ns": About("ns", "Duration of that call."),
    "op": About("", "Op that launched it."),
    **_IDS,
    **_PLACE,
}
MEMORY: Final = {
    "time_us": About("us", "When, since the first event."),
    "device": About("", "cpu, cuda:0 and so on."),
    "allocated_bytes": About("bytes", "What the allocator has given out."),
    "reserved_bytes": About("bytes", "What the allocator holds; empty where the trace does not tell."),
}

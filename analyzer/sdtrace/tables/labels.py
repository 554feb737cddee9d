"""Identifiers in words."""

from __future__ import annotations

from typing import Final

CAUSES: Final = {
    "memory": "allocating or freeing memory",
    "copy": "copying to or from the CPU",
    "runtime_call": "one long runtime call",
    "gc": "Python's garbage collection",
    "cpu_work": "an op that works on the CPU",
    "lock": "waiting for another thread",
    "python": "Python without ops",
    "other_device": "waiting for another GPU",
    "device_gap": "gap between queued kernels",
    "sync": "waiting for the GPU to finish",
    "between_iterations": "between iterations",
    "data_wait": "waiting for data",
    "host_stall": "nothing recorded on the CPU for long",
    "host_silence": "nothing recorded on the CPU",
    "other": "cause not known",
    "earlier_work": "earlier work, not in the file",
    "outside": "before or after all GPU work",
    "launch_bound": "waiting for launch",
}
"""Causes of idle time."""

WATERFALL_PARTS: Final = {
    "roofline": "at the peak",
    "lost": "lost",
    "unknown": "not known",
    "overlap": "at once",
    "idle": "idle",
}
"""Parts of the wall of an iteration held against the card."""

"""What of the keys beside a trace's events says nothing about people, and is needed to analyze it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from sdtrace.export.pseudonyms import Pseudonyms

PUBLIC_KEYS: Final = {
    "schemaVersion": "code",
    "deviceProperties": "code",
    "distributedInfo": "words",
    "displayTimeUnit": "code",
    "baseTimeNanoseconds": "code",
    "record_shapes": "code",
    "profile_memory": "code",
    "with_stack": "code",
    "with_flops": "code",
    "with_modules": "code",
    "cuda_driver_version": "code",
    "cuda_runtime_version": "code",
    "cupti_version": "code",
    "hip_driver_version": "code",
    "hip_runtime_version": "code",
    "roctracer_version": "code",
}
"""What is kept, each with the kind of its texts; all other keys are left out."""
HIDDEN_KEYS: Final = frozenset({"host_name"})
"""Keys whose being there tells the version of torch; their values are hidden."""
_CODE_FACTS: Final = frozenset(
    {"scheduler", "device", "device_name", "versions", "schema", "dynamo_compile_times", "peaks"}
)
_FREE_FACTS: Final = frozenset(
    {
        "variant",
        "axes",
        "model",
        "parameters",
        "steps",
        "images",
        "batch",
        "height",
        "width",
        "seed",
        "cold",
        "options",
        "load_s",
        "warmup_wall_s",
        "profiled_wall_s",
        "unprofiled_wall_s",
        "unprofiled_before",
        "peak_memory_bytes",
        "image_means",
        "calls",
        "pipelines",
        "settings",
        "frames",
        "random_parts",
        "picture",
        "outside",
    }
)
PUBLIC_FACTS: Final = _CODE_FACTS | _FREE_FACTS
"""What is kept of the facts of a run."""


def public_facts(facts: Any, names: Pseudonyms) -> dict[str, Any]:
    """The facts of a run (schema `sdtrace.run/1`) without the prompt and whatever else is not known.

    Names of variants and models are hidden where they are words of one's own. `facts` may be the text of a
    JSON object, as some writers have it.
    """
    if isinstance(facts, str):
        try:
            facts = json.loads(facts)
        except (ValueError, RecursionError):
            return {}
    if not isinstance(facts, dict):
        return {}
    kept = {key: _changed(value, names.code) for key, value in facts.items() if key in _CODE_FACTS}
    free = {key: _changed(value, names.words) for key, value in facts.items() if key in _FREE_FACTS}
    return {key: (kept | free)[key] for key in facts if key in kept or key in free}


def strings_in(value: Any) -> list[str]:
    """All texts in a value of JSON, keys left out."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inside for text in strings_in(item)]


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(str(key)): _changed(entry, change) for key, entry in value.items()}
    if isinstance(value, list):
        return [_changed(entry, change) for entry in value]
    return value

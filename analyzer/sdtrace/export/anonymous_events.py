"""Events and keys of a trace without what tells who ran it, where, and on what."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from sdtrace.export.anonymous_run import HIDDEN_KEYS, PUBLIC_FACTS, PUBLIC_KEYS, public_facts, strings_in
from sdtrace.export.event_text import Fields, fields, joined
from sdtrace.export.pseudonyms import Pseudonyms, users_in, words_in
from sdtrace.reader.categories import canonical
from sdtrace.trace import Trace
from sdtrace.trace.part_of import KEY

_BY_TORCH: Final = re.compile(
    r"^ProfilerStep#\d+$|\(dynamo_timed\)$"
    r"|^[\w.<>]+_data: (?:(?:compile_id|kernel_name|is_backward|fn_name)=[^\s,]+(?:, |$))+$"
    r"|^enumerate\(DataLoader\)#\w+\.__next__$"
    r"|^(?:nccl|gloo|mpi|ucc|xccl|hccl):\w+$|^Optimizer\.\w+#\w+\.\w+$|^DistributedDataParallel\.\w+$"
    r"|^FullyShardedDataParallel\.\w+|^FSDP::|^CUDAGraphNode\.\w+$|^PyTorch Profiler"
    r"|^## Call CompiledFxGraph \w+ ##$"
    r"|^Torch-Compiled Region|^TorchDynamo Cache Lookup$|^AOTDispatcher |^Pregraph bytecode$"
)
"""Annotations that torch itself writes; they are kept as names of ops are."""
_CODE: Final = frozenset(
    {"kernel", "cuda_runtime", "cuda_driver", "gpu_memcpy", "gpu_memset", "cuda_sync", "overhead"}
)
_PLAIN: Final = re.compile(
    r"(?:[\[\]()\d\s.,eE+\-x]|True|False|None)*|-?inf|nan|(?:cpu|cuda|xpu|hip|mps|meta)(?::\d+)?|0x[0-9a-fA-F]+"
)
"""Values of an op's arguments that can hold no text."""
_CODE_ARGS: Final = frozenset(
    {
        "Input type",
        "Collective name",
        "dtype",
        "kernel",
        "kernel_name",
        "kernel_backend",
        "kernel_hash",
        "kernel_kwargs",
        "kind",
        "scope",
    }
)
_KINDS: Final = {**dict.fromkeys(_CODE_ARGS, "code"), "Call stack": "frame"}
_CODE_FIELDS: Final = frozenset({"ph", "cat", "s", "bp"})
_NAME: Final = "name of "
_LONGEST_SECRET: Final = 2_000
_KNOWN_ARGS: Final = frozenset(
    {
        "External id",
        "external id",
        "Ev Idx",
        "Record function id",
        "Concrete Inputs",
        "Input Dims",
        "Input Strides",
        "correlation",
        "cbid",
        "cid",
        "Fwd thread id",
        "Python id",
        "Python parent id",
        "Python module id",
        "Op count",
        "Addr",
        "Bytes",
        "bytes",
        "Total Allocated",
        "Total Reserved",
        "Device Id",
        "Device Type",
        "memory bandwidth (GB/s)",
        "est. achieved occupancy %",
        "registers per thread",
        "shared memory",
        "blocks per SM",
        "warps per SM",
        "Call stack",
        "kernel_file",
        "In msg nelems",
        "Out msg nelems",
        "num_warps",
        "num_stages",
        "labels",
        "sort_index",
    }
    | _CODE_ARGS
)


_PEOPLE: Final = re.compile(r"user|host|owner|author|login|mail", re.IGNORECASE)
"""Keys beside the events whose values name people and machines."""
_NO_SECRETS: Final = PUBLIC_KEYS.keys() | {"sdtrace", KEY}
_MOST_KNOWN: Final = 1 << 17
"""Texts whose replacement is remembered."""


class Anonymizer:
    """Replaces paths, users, hosts, prompts, names of processes and free words, each by the same pseudonym.

    Kept are names of ops, kernels, classes and functions, shapes, ids, and all numbers to the digit. Of
    what stands beside the events only what an analysis needs is kept (see `sdtrace.export.anonymous_run`).
    Names of users and hosts that stand in what is left out, or in a path, are hidden everywhere.
    """

    def __init__(self, trace: Trace) -> None:
        self._names = Pseudonyms(_people(trace), _secrets(trace))
        self._known: dict[tuple[str, bytes], bytes] = {}
        self._keys = {key: key for key in _KNOWN_ARGS}

    def event(self, text: bytes) -> bytes:
        """The event with this text, anonymous."""
        values = fields(text)
        if values is None:
            return b"{}"
        name = _NAME + canonical(bytes(values.get("cat", b'""')).decode().strip('"'))
        changed = {}
        for key, raw in values.items():
            kind = name if key == "name" else "code" if key in _CODE_FIELDS else "words"
            changed[key] = self._args(raw) if key == "args" else self._raw(kind, raw)
        return joined(changed)

    def annotation(self, name: str) -> str:
        """The name of an annotation, anonymous."""
        return self._string(f"{_NAME}user_annotation", name)

    def top_level(self, keys: Fields) -> dict[str, bytes]:
        """The keys beside the events, without those that no analysis needs."""
        found = {key: self._raw(PUBLIC_KEYS[key], raw) for key, raw in keys.items() if key in PUBLIC_KEYS}
        if "sdtrace" in keys:
            facts = public_facts(msgspec.json.decode(keys["sdtrace"]), self._names)
            found = {"sdtrace": msgspec.json.encode(facts), **found}
        return found | dict.fromkeys(keys.keys() & HIDDEN_KEYS, b'"hidden"')

    def _args(self, raw: bytes | msgspec.Raw) -> bytes:
        args = fields(raw)
        if args is None:
            return self._raw("words", raw)
        changed = {}
        for key, value in args.items():
            changed[self._key(key)] = self._raw(_KINDS.get(key, "words"), value)
        return joined(changed)

    def _key(self, key: str) -> str:
        if key not in self._keys:
            self._keys[key] = self._names.words(key)
        return self._keys[key]

    def _raw(self, kind: str, raw: bytes | msgspec.Raw) -> bytes:
        """A value of JSON with its texts changed as their kind asks; numbers keep their digits."""
        text = bytes(raw)
        if b'"' not in text:
            return text
        known = self._known.get((kind, text))
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[kind, text] = self._changed(kind, text)
        return known

    def _changed(self, kind: str, text: bytes) -> bytes:
        if text[:1] == b'"':
            return msgspec.json.encode(self._string(kind, msgspec.json.decode(text, type=str)))
        if text[:1] == b"[":
            items = msgspec.json.decode(text, type=list[msgspec.Raw])
            return b"[" + b", ".join(self._raw(kind, item) for item in items) + b"]"
        values = fields(text) or {}
        names = {key: key if kind == "code" else self._key(key) for key in values}
        return joined({names[key]: self._raw(kind, raw) for key, raw in values.items()})

    def _string(self, kind: str, text: str) -> str:
        if kind.startswith(_NAME):
            kind = _kind_of_name(kind.removeprefix(_NAME), text)
        if kind == "code":
            return self._names.code(text)
        if kind == "frame":
            return ";".join(self._names.frame(part) for part in text.split(";"))
        return text if _PLAIN.fullmatch(text) else self._names.words(text)


def _kind_of_name(category: str, name: str) -> str:
    """How an event's name is changed."""
    if category == "python_function":
        return "frame"
    is_op = category == "cpu_op" and ("::" in name or not re.search(r"\s", name))
    return "code" if is_op or category in _CODE or _BY_TORCH.search(name) else "words"


def _people(trace: Trace) -> set[str]:
    """Names of users and hosts, as the trace has them outside its ops and kernels."""
    told = [value for key, value in (*trace.top_level.items(), *trace.run.items()) if _PEOPLE.search(key)]
    named = {part for text in strings_in(told) for part in (text, *words_in(text))}
    return named | users_in([*trace.names, *strings_in(list(trace.top_level.values()))])


def _secrets(trace: Trace) -> set[str]:
    """Other texts that are left out: of keys that are not kept and of the run's facts, such as the prompt."""
    left = [value for key, value in trace.top_level.items() if key not in _NO_SECRETS]
    left += [value for key, value in trace.run.items() if key not in PUBLIC_FACTS]
    texts = [text for text in strings_in(left) if len(text) <= _LONGEST_SECRET]
    parts = {part for text in texts if not re.search(r"\s", text) for part in words_in(text)}
    return parts | set(texts) | {process.name for process in trace.processes}

"""Folders as `save_pretrained` writes them, of which something is missing: what takes its place."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from sdtrace_collector.geometry import MODELS
from sdtrace_collector.geometry_parts import Config, Geometry
from sdtrace_collector.libraries import library_class, network_of
from sdtrace_collector.tokenizer import tokenizer_of

_WEIGHTS: Final = (".safetensors", ".bin")
_POINTER: Final = b"version https://git-lfs"
"""How a file begins that Git LFS has not fetched."""
_DISPENSABLE: Final = ("safety_checker", "feature_extractor", "image_encoder")


class Replaced(NamedTuple):
    """Parts by name, and the names of those that are networks with random weights."""

    parts: dict[str, Any]
    random_parts: list[str]


def missing_parts(folder: Path, dtype: torch.dtype, device: torch.device) -> Replaced:
    """What a pipeline's folder lacks, made: networks without weights, tokenizers and schedulers.

    A network has the shape that its own `config.json` says, else that of the built-in model which is most
    like the folder.

    Raises:
        OSError: the folder has no `model_index.json`.
        ValueError: nothing says what a part should be.
    """
    index = _read(folder / "model_index.json")
    entries = {name: value[1] for name, value in index.items() if isinstance(value, list) and value[1]}
    found = Replaced({}, [])
    for name, kind in entries.items():
        made = library_class(kind)
        if isinstance(made, type) and issubclass(made, torch.nn.Module):
            if not has_weights(folder / name):
                found.parts[name] = _network(folder, index, name, kind, dtype, device)
                found.random_parts.append(name)
        elif not (folder / name).is_dir():
            found.parts[name] = None if name in _DISPENSABLE else _other(folder, index, name)
    return found


class OneNetwork(NamedTuple):
    """The network that a folder holds under its name in a pipeline, whether it is random, and the rest."""

    parts: dict[str, Any]
    random_parts: list[str]
    geometry: Geometry


def one_network(folder: Path, dtype: torch.dtype, device: torch.device) -> OneNetwork:
    """A folder with the `config.json` of one network, and the built-in model that has such a network.

    Raises:
        OSError: a file cannot be read.
        ValueError: no built-in model has such a network.
    """
    config = _read(folder / "config.json")
    kind = config.get("_class_name") or next(iter(config.get("architectures", ())), "")
    name, geometry = _most_like(kind, config, MODELS.values())
    if has_weights(folder):
        network = library_class(kind).from_pretrained(folder, torch_dtype=dtype)
        return OneNetwork({name: network}, [], geometry)
    network = network_of(kind, _plain(config), dtype, device)
    return OneNetwork({name: network}, [name], geometry)


def has_weights(folder: Path) -> bool:
    """Whether the weights of a network are in a folder, whole: no shard missing, none a mere pointer."""
    files = [path for path in folder.glob("*") if path.suffix in _WEIGHTS and not _is_pointer(path)]
    indices = [path for path in folder.glob("*.index.json") if not _is_pointer(path)]
    names = {path.name for path in files}
    wanted = [set(_read(path).get("weight_map", {}).values()) for path in indices]
    return any(shards <= names for shards in wanted) if wanted else bool(files)


def _network(
    folder: Path, index: Config, name: str, kind: str, dtype: torch.dtype, device: torch.device
) -> torch.nn.Module:
    own = folder / name / "config.json"
    if own.is_file():
        return network_of(kind, _plain(_read(own)), dtype, device)
    geometry = _geometry(folder, index, name)
    if name not in geometry.networks:
        raise ValueError(f"it lacks {name}/config.json")
    return network_of(*geometry.networks[name], dtype, device)


def _other(folder: Path, index: Config, name: str) -> Any:
    """A scheduler or a tokenizer."""
    geometry = _geometry(folder, index, name)
    if name == "scheduler":
        return library_class(geometry.scheduler).from_config(geometry.scheduler_config)
    if name not in geometry.tokenizers:
        raise ValueError(f"it lacks the folder {name}")
    return tokenizer_of(*geometry.tokenizers[name])


def _geometry(folder: Path, index: Config, lacking: str) -> Geometry:
    """The built-in model of the folder's pipeline class that has most in common with its networks."""
    models = [each for each in MODELS.values() if each.pipeline == index.get("_class_name")]
    if not models:
        raise ValueError(f"it lacks {lacking}, and no built-in model is a {index.get('_class_name')}")
    configs = {path.parent.name: _read(path) for path in folder.glob("*/config.json")}

    def alike(model: Geometry) -> int:
        shared = model.networks.keys() & configs.keys()
        return sum(_agreement(model.networks[name][1], configs[name]) for name in shared)

    return max(models, key=alike)


def _most_like(kind: str, config: Config, models: Iterable[Geometry]) -> tuple[str, Geometry]:
    found = [
        (_agreement(made, config), name, model)
        for model in models
        for name, (its_kind, made) in model.networks.items()
        if its_kind == kind
    ]
    if not found:
        raise ValueError(f"it holds one network, a {kind}, and no built-in model has one")
    _, name, model = max(found, key=lambda each: each[0])
    return name, model


def _agreement(known: Config, config: Config) -> int:
    """How many settings are the same, less those that are not."""
    return sum(1 if _same(value, config.get(key)) else -1 for key, value in known.items() if key in config)


def _same(one: Any, other: Any) -> bool:
    return bool((list(one) if isinstance(one, tuple) else one) == other)


def _plain(config: Config) -> Config:
    """Without what a configuration says of its own file."""
    return {key: value for key, value in config.items() if not key.startswith("_") and key != "architectures"}


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def _read(path: Path) -> Config:
    value: Config = json.loads(path.read_text(encoding="utf-8"))
    return value

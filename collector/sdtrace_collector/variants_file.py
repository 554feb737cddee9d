"""Variants of one's own, from a TOML file.

[my_variant]
base = "bf16_sdpa"      # optional; else fp32_eager
dtype = "fp16"          # any axis of `sdtrace variants`
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from sdtrace.errors import UsageError
from sdtrace_collector.variants import BASE, VARIANTS, Variant, find_variant, move

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*")


def read_variants(path: Path) -> dict[str, Variant]:
    """The variants of a TOML file, by name. A base is a named variant or one defined earlier in the file.

    Raises:
        UsageError: the file cannot be read, is not TOML, or names an axis, value or base that does not exist.
    """
    made: dict[str, Variant] = {}
    for name, table in _tables(path).items():
        try:
            made[name] = _variant(name, table, {**VARIANTS, **made})
        except UsageError as error:
            raise UsageError(f"{path}: [{name}]: {error}") from None
    if not made:
        raise UsageError(f"{path} defines no variant: write [my_variant] and below it dtype = 'bf16'")
    return made


def _tables(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is not TOML: {error}; write [my_variant] and below it dtype = 'bf16'"
        ) from error


def _variant(name: str, table: object, known: Mapping[str, Variant]) -> Variant:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise UsageError(
            "a variant is a table of strings: write [my_variant], below it dtype = 'bf16' or fused_qkv = 'on'"
        )
    if name in known or not _NAME.fullmatch(name):
        raise UsageError("the name is taken, or no good as a file name: choose another")
    settings = dict(table)
    base = find_variant(settings.pop("base", BASE), known)
    return Variant(name, move(base.axes, settings))

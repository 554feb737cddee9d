"""torch's data types: their spelling in a trace, their sizes, and what mixing two of them gives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, reduce
from typing import Final

SPELLINGS: Final[dict[str, str]] = {
    "float": "float32",
    "double": "float64",
    "c10::Half": "float16",
    "c10::BFloat16": "bfloat16",
    "c10::Float8_e4m3fn": "float8_e4m3fn",
    "c10::Float8_e4m3fnuz": "float8_e4m3fnuz",
    "c10::Float8_e5m2": "float8_e5m2",
    "c10::Float8_e5m2fnuz": "float8_e5m2fnuz",
    "c10::Float8_e8m0fnu": "float8_e8m0fnu",
    "c10::Float4_e2m1fn_x2": "float4_e2m1fn_x2",
    "bool": "bool",
    "signed char": "int8",
    "char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "short int": "int16",
    "unsigned short": "uint16",
    "short unsigned int": "uint16",
    "int": "int32",
    "unsigned int": "uint32",
    "long": "int64",
    "long int": "int64",
    "long long": "int64",
    "__int64": "int64",
    "unsigned long": "uint64",
    "long unsigned int": "uint64",
    "c10::complex<float>": "complex64",
    "c10::complex<double>": "complex128",
    "c10::complex<c10::Half>": "complex32",
    "c10::qint8": "qint8",
    "c10::quint8": "quint8",
    "c10::qint32": "qint32",
}
"""Kineto's name of a type (that of the compiler that built torch, hence several) to torch's."""

_CODES: Final = (
    *("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"),
    *("complex32", "complex64", "complex128", "bool", "qint8", "quint8", "qint32", "bfloat16"),
    *("quint4x2", "quint2x4", "bits1x8", "bits2x4", "bits4x2", "bits8", "bits16"),
    *("float8_e5m2", "float8_e4m3fn", "float8_e5m2fnuz", "float8_e4m3fnuz", "uint16", "uint32", "uint64"),
)
"""c10::ScalarType by number, as an argument such as `dtype` is recorded."""

_FLOATS: Final = (*(name for name in SPELLINGS.values() if name.startswith("float8")), "float4_e2m1fn_x2")
_NARROW: Final = {"bool", "int8", "uint8", "qint8", "quint8", *_FLOATS}
_RANK: Final = {"bool": 0, "uint": 1, "int": 1, "float": 2, "bfloat": 2, "complex": 3}
_OF_PYTHON: Final = ("float64", "complex128")
_DEFAULT: Final = {2: "float32", 3: "complex64"}


def by_code(code: str) -> str | None:
    """The type that a recorded `dtype` argument names: "6" is float32; None for what is no such number."""
    return _CODES[int(code)] if code.isdecimal() and int(code) < len(_CODES) else None


@cache
def item_size(dtype: str) -> int | None:
    """Bytes of one element; two values of float4_e2m1fn_x2 are one element. None for an unknown type."""
    if dtype in _NARROW:
        return 1
    bits = re.fullmatch(r"(?:u?int|b?float|complex|bits|qint)(8|16|32|64|128)", dtype)
    return int(bits[1]) // 8 if bits else None


def kind(dtype: str) -> int:
    """0 for bool, 1 for whole numbers, 2 for floating point, 3 for complex."""
    return _RANK.get(re.sub(r"\d.*", "", dtype), 2)


def as_float(dtype: str) -> str:
    """What a function of real numbers, such as exp or a division, makes of the type."""
    return dtype if kind(dtype) >= 2 else "float32"


def as_complex(dtype: str) -> str:
    """The complex type of two numbers of this one: complex64 of float32."""
    return {"float16": "complex32", "float64": "complex128"}.get(dtype, "complex64")


def real_part(dtype: str) -> str:
    """The type of the size of a number: float32 of complex64, any other its own."""
    return {"complex32": "float16", "complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def accumulated(dtype: str) -> str:
    """The type in which statistics of a norm are kept."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def promote(first: str, second: str) -> str:
    """The type of a result of both (torch.promote_types)."""
    if first == second:
        return first
    low, high = sorted((first, second), key=lambda dtype: (kind(dtype), item_size(dtype) or 0))
    if kind(high) == 3 and low == "float64":
        return "complex128"
    if kind(high) == 3 and high == "complex32" and low in ("float32", "bfloat16"):
        return "complex64"
    if {low, high} == {"float16", "bfloat16"}:
        return "float32"
    if {low, high} == {"int8", "uint8"}:
        return "int16"
    return high


def result_type(tensors: Sequence[tuple[str, bool]], numbers: Iterable[str] = ()) -> str | None:
    """The type of what an elementwise op gives (torch.result_type); None of nothing.

    `tensors` are (type, whether it has no dimensions), `numbers` the texts of plain numbers. What has no
    dimensions counts only for its kind beside what has some. A float64 without dimensions is then taken
    for a Python number, which is what it nearly always is.

    >>> result_type([("bfloat16", False), ("float64", True)])
    'bfloat16'
    """
    shaped = [dtype for dtype, is_single in tensors if not is_single]
    single = [dtype for dtype, is_single in tensors if is_single]
    plain = [_of_number(text) for text in numbers]
    if shaped:
        plain += [_DEFAULT[kind(dtype)] for dtype in single if dtype in _OF_PYTHON]
        single = [dtype for dtype in single if dtype not in _OF_PYTHON]
    found = [reduce(promote, group) for group in (plain, single, shaped) if group]
    return reduce(_outranked, found) if found else None


def _outranked(lesser: str, greater: str) -> str:
    if kind(lesser) <= kind(greater):
        return greater
    if kind(greater) == 2:
        return promote(greater, "complex32")
    return promote(greater, lesser)


def _of_number(text: str) -> str:
    if text in ("True", "False"):
        return "bool"
    if "j" in text:
        return "complex64"
    return "int64" if re.fullmatch(r"-?\d+", text) else "float32"

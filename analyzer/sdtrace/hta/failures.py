"""What HTA raises, as one line that says what the trace lacks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import pandas

from sdtrace.errors import UsageError

FAILURES: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    SystemError,
    TypeError,
    ValueError,
)
"""What HTA raises for traces that it does not expect."""
_NEWEST_PANDAS: Final = 2
"""The newest that HTA 0.5 builds call graphs with."""
_NO_WORK: Final = "the trace has no GPU work"
_NEEDS: Final = {"get_potential_stragglers": "the trace is of one rank; stragglers need those of several"}
"""What a method needs beside GPU work."""
_MEANS: Final[Mapping[tuple[str, type[Exception]], str]] = {
    (
        "critical_path_analysis",
        AssertionError,
    ): "HTA finds no path there; choose another annotation"
}
"""What it means when a method raises."""
_Class = TypeVar("_Class", bound=type[Any])


def as_line(error: BaseException, meaning: str = "") -> str:
    """One line on what HTA raised, or its `meaning`; where a too new pandas is the cause, that."""
    if int(pandas.__version__.partition(".")[0]) > _NEWEST_PANDAS:
        return f"HTA fails with pandas {pandas.__version__}; run: pip install 'pandas<{_NEWEST_PANDAS + 1}'"
    if meaning:
        return meaning
    first = (str(error).splitlines() or [""])[0]
    return f"HTA fails on this trace: {f'{type(error).__name__}: {first}'.rstrip(': ')}"


def say_what_is_lacking(of: type[Any]) -> Callable[[_Class], _Class]:
    """Make every public method of `of`, as a class has it, raise UsageError of one line where HTA raises.

    TypeErrors of a call with wrong arguments stay as they are.
    """

    def decorate(cls: _Class) -> _Class:
        for name, _ in inspect.getmembers(of, inspect.isfunction):
            if not name.startswith("_"):
                setattr(cls, name, _wrapped(name, getattr(cls, name)))
        return cls

    return decorate


def _wrapped(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(method)

    @functools.wraps(method)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        signature.bind(self, *args, **kwargs)
        try:
            return method(self, *args, **kwargs)
        except UsageError:
            raise
        except FAILURES as error:
            lacks = as_line(error, _MEANS.get((name, type(error)), "")) if self.has_work else _NO_WORK
            raise UsageError(f"{name}: {_NEEDS.get(name, lacks)}") from error

    return checked

"""Where calls that count are seen: pipelines as they are made, a function, every module of a class."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any, Final
from weakref import WeakSet

from sdtrace.errors import UsageError
from sdtrace_collector.parts import class_name
from sdtrace_collector.script.imports import when_imported

Around = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any], Any], Any]
"""Makes a call: its name, the function, its arguments, and the pipeline or module that is called."""
End = Callable[[], None]
"""What ends the seeing."""
_WRAPPED: Final = "OptimizedModule"
"""What `torch.compile` makes of a module."""
_DONE: Final = "_sdtrace_is_seen"
_PIPELINES: Final = (
    ("diffusers.pipelines.pipeline_utils", "DiffusionPipeline", "register_modules"),
    ("diffusers.modular_pipelines.modular_pipeline", "ModularPipeline", "register_components"),
)
"""Module, base class, and the method that every pipeline calls as it is made."""


def see_pipelines(around: Around, made: Callable[[], None]) -> End:
    """Every pipeline of diffusers: `made` as one is made, `around` as one is called."""
    ends: list[End] = []
    known: WeakSet[Any] = WeakSet()

    def act(base: Any, method: str) -> None:
        register = getattr(base, method)

        @wraps(register)
        def registering(self: Any, **parts: Any) -> Any:
            if self not in known:
                known.add(self)
                made()
            ends.append(see_calls(type(self), around))
            return register(self, **parts)

        ends.append(_replaced(base, method, registering))

    def seen_in(base: str, method: str) -> Callable[[ModuleType], None]:
        return lambda module: act(vars(module)[base], method)

    for module, base, method in _PIPELINES:
        when_imported(module, seen_in(base, method))
    return _all(ends)


def see_calls(kind: type, around: Around, *, only: object = None) -> End:
    """Calls of a class's instances, or of `only` one. Seeing a class twice is once."""
    owner = next((each for each in kind.__mro__ if "__call__" in vars(each)), None)
    if owner is None or (only is None and hasattr(vars(owner)["__call__"], _DONE)):
        return lambda: None
    called: Any = vars(owner)["__call__"]

    @wraps(called)
    def seen(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (only is not None and self is not only) or _is_compiling():
            return called(self, *args, **kwargs)
        return around(type(self).__name__, called, (self, *args), kwargs, self)

    setattr(seen, _DONE, True)
    return _replaced(owner, "__call__", seen)


def see_modules(name: str, around: Around) -> End:
    """Calls of every `nn.Module` whose class has this name, also where `torch.compile` wrapped it."""
    ends: list[End] = []

    def act(module: ModuleType) -> None:
        base: Any = vars(module)["Module"]
        init = base.__init__

        @wraps(init)
        def initializing(self: Any, *args: Any, **kwargs: Any) -> None:
            if type(self).__name__ in (name, _WRAPPED):
                ends.append(_see_modules_of(type(self), name, around))
            init(self, *args, **kwargs)

        ends.append(_replaced(base, "__init__", initializing))

    when_imported("torch.nn.modules.module", act)
    return _all(ends)


def _see_modules_of(kind: Any, name: str, around: Around) -> End:
    call = kind.__call__
    if hasattr(call, _DONE):
        return lambda: None

    @wraps(call)
    def seen(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_compiling() or class_name(self) != name:
            return call(self, *args, **kwargs)
        return around(name, call, (self, *args), kwargs, self)

    setattr(seen, _DONE, True)
    return _replaced(kind, "__call__", seen)


def see_function(target: str, around: Around) -> End:
    """Calls of `module:name` or `module:Class.method`, looked up once the module is imported."""
    place, _, path = target.partition(":")
    ends: list[End] = []

    def act(module: ModuleType) -> None:
        *parents, name = path.split(".")
        owner: Any = module
        for parent in parents:
            owner = getattr(owner, parent, None)
        function = getattr(owner, name, None)
        if not callable(function):
            raise UsageError(f"--function {target}: {place} has no function {path}")
        ends.append(_replaced(owner, name, seen_function(name, function, around)))

    when_imported(place, act)
    return _all(ends)


def seen_function(name: str, function: Callable[..., Any], around: Around) -> Callable[..., Any]:
    """A function whose calls are seen."""

    @wraps(function)
    def seen(*args: Any, **kwargs: Any) -> Any:
        return around(name, function, args, kwargs, None)

    return seen


def _replaced(owner: Any, name: str, value: Any) -> End:
    """Sets an attribute of a class or a module; returns what puts it back, absent if it was absent."""
    is_own, before = name in vars(owner), vars(owner).get(name)
    setattr(owner, name, value)

    def put_back() -> None:
        if vars(owner).get(name) is value:
            if is_own:
                setattr(owner, name, before)
            else:
                delattr(owner, name)

    return put_back


def _all(ends: list[End]) -> End:
    def end() -> None:
        for each in reversed(ends):
            each()

    return end


def _is_compiling() -> bool:
    """Whether this code is being traced by `torch.compile`, which must see the plain call."""
    import torch  # noqa: PLC0415 - the script decides when torch is imported; by now it is

    return torch.compiler.is_compiling()

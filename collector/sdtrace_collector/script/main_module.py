"""Runs a script as `python script.py` would: its own `__main__`, arguments and search path."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

from sdtrace.errors import UsageError

_SEEN: Final = "__sdtrace_seen__"
_OURS: Final = str(Path(__file__).parents[1])
_FAILED: Final = 1
_INTERRUPTED: Final = 130

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def run_script(
    script: Path, arguments: list[str], function: str | None, seen: Decorator, *, is_module: bool = False
) -> int:
    """Runs the script to its end; its exit code. What it raises is shown as Python shows it.

    `function` is one that the script itself defines: `seen` is put around it, as a decorator would be. With
    `is_module`, `script` is the name of a module or a package, and is run as by `python -m`.

    Raises:
        UsageError: the script cannot be read or found, or does not define that function.
    """
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    if not sys.flags.safe_path:
        sys.path[0] = str(Path.cwd() if is_module else script.resolve().parent)
    try:
        spec = _spec(str(script)) if is_module else None
        path = script if spec is None else Path(str(spec.origin))
        source = _source(path)
        module.__dict__.update({"__file__": str(path), "__builtins__": builtins, "__cached__": None})
        if spec is not None:
            module.__dict__.update({"__spec__": spec, "__package__": spec.parent, "__loader__": spec.loader})
        sys.argv = [str(path), *arguments]
        tree = ast.parse(source, str(path))
        if function is not None:
            _decorate(tree, function)
            module.__dict__[_SEEN] = seen
        code = compile(tree, str(path), "exec", dont_inherit=True)
        exec(code, module.__dict__)  # what the user asked for
    except SystemExit as ended:
        return _exit_code(ended)
    except BaseException as error:
        if isinstance(error, UsageError):
            raise
        _forget_our_frames(error)
        sys.excepthook(type(error), error, error.__traceback__)
        return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else _FAILED
    return 0


def _forget_our_frames(error: BaseException) -> None:
    """In the tracebacks of an error and of what led to it."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        cause.__traceback__ = _without_our_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__


def _without_our_frames(trace: TracebackType | None) -> TracebackType | None:
    """A traceback of what is not ours."""
    if trace is None:
        return None
    inner = _without_our_frames(trace.tb_next)
    if trace.tb_frame.f_code.co_filename.startswith(_OURS):
        return inner
    return TracebackType(inner, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


def _exit_code(ended: SystemExit) -> int:
    if ended.code is None:
        return 0
    if isinstance(ended.code, int):
        return ended.code
    print(ended.code, file=sys.stderr)  # noqa: T201 - as the interpreter itself does
    return _FAILED


def _spec(name: str) -> ModuleSpec:
    """Where a module is, or what a package runs. Raises UsageError where there is none."""
    try:
        found = find_spec(name)
        if found is not None and found.submodule_search_locations is not None:
            found = find_spec(f"{name}.__main__")
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        found = None
    if found is None or not found.has_location:
        raise UsageError(f"-m {name}: no such module; name one as for `python -m`, from the same folder")
    return found


def _source(script: Path) -> bytes:
    try:
        return script.read_bytes()
    except OSError as error:
        raise UsageError(f"{script}: {error.strerror}; give a Python script") from error


def _decorate(tree: ast.Module, function: str) -> None:
    """Puts our decorator on a function of the script, or a method of its classes, outside its own ones."""
    body, path = tree.body, function.split(".")
    for parent in path[:-1]:
        classes = (node for node in body if isinstance(node, ast.ClassDef) and node.name == parent)
        body = [each for node in classes for each in node.body]
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == path[-1]:
            node.decorator_list.insert(0, ast.copy_location(ast.Name(_SEEN, ast.Load()), node))
            return
    raise UsageError(
        f"--function {function}: the script does not define it; of another module write MODULE:{function}"
    )

"""Do something to a module right after the script imported it; nothing is imported earlier for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Action = Callable[[ModuleType], None]


def when_imported(name: str, action: Action) -> None:
    """Calls `action` with the module of this name, at once where it is there already."""
    module = sys.modules.get(name)
    if module is not None:
        action(module)
    else:
        sys.meta_path.insert(0, _Finder(name, action))


class _Finder(MetaPathFinder):
    """Lets the others find the module, and acts once it has run."""

    def __init__(self, name: str, action: Action) -> None:
        self._name, self._action = name, action

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the one module, its loader acting afterwards."""
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        others = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in others)), None)
        loader: Any = spec.loader if spec is not None else None
        if hasattr(loader, "exec_module"):
            run = loader.exec_module

            def run_then_act(module: ModuleType) -> None:
                run(module)
                self._action(module)

            loader.exec_module = run_then_act
        return spec

"""Shows the worker's progress when stderr is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from sdtrace_collector.protocol import Stage


@contextmanager
def shown(variant: str) -> Iterator[Callable[[Stage], None]]:
    """A function that shows a variant's stages, each with its own clock, until the block ends."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[variant]}: {task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=None, variant=variant)

        def show(stage: Stage) -> None:
            if stage.done == 0:
                progress.reset(task, total=stage.total or None, description=stage.text)
            progress.update(task, completed=stage.done)

        yield show

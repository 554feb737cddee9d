"""What the commands that read traces have in common: arguments, errors per file, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from sdtrace.cli.memory import reuse_freed_memory
from sdtrace.errors import UnreadableTrace
from sdtrace.safe_text import visible
from sdtrace.suggestions import did_you_mean

if TYPE_CHECKING:
    from sdtrace import Analysis, Options

Result = TypeVar("Result")

TRACES = click.argument("traces", nargs=-1, required=True, metavar="TRACE...")
ONE_TRACE = click.argument("trace", metavar="TRACE")
_CACHE_KEY = "sdtrace.cache"


def _note_cache(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.meta[_CACHE_KEY] = value


CACHE = click.option(
    "--cache",
    is_flag=True,
    expose_value=False,
    callback=_note_cache,
    help="Keep what was read in ~/.cache/sdtrace; the next look at it is quicker.",
)
"""Commands with this option read traces by `load` of this module."""


def load(path: Path, options: Options | None = None) -> Analysis:
    """As `sdtrace.load`, with the cache where the command line asks for it."""
    import sdtrace  # noqa: PLC0415  # polars and numpy, which `--help` does without

    return sdtrace.load(path, options, cache=click.get_current_context().meta[_CACHE_KEY])


def one_file(text: str) -> Path:
    """The single file that `text` names. Raises UnreadableTrace when it names none or several."""
    from sdtrace.reader import resolve  # noqa: PLC0415  # numpy, which `--help` does without

    reuse_freed_memory()
    found = resolve([text])
    for item in found:
        if isinstance(item, UnreadableTrace):
            raise item
    if len(found) > 1:
        raise UnreadableTrace(f"{text}: names {len(found)} traces; give one")
    return next(item for item in found if isinstance(item, Path))


def stem(path: Path) -> str:
    """The name of a trace's file without its suffixes, to name other files after it."""
    return path.name.partition(".json")[0] or path.name


def chosen_formats(typed: str, valid: Sequence[str], option: str = "--format") -> list[str]:
    """The formats, or other names, that `option` lists. Raises click.BadParameter for one not in `valid`."""
    names = [name.strip() for name in typed.split(",") if name.strip()]
    unknown = [name for name in names if name not in valid]
    if unknown or not names:
        wrong = unknown[0] if unknown else typed
        raise click.BadParameter(
            f"{wrong!r} is none of {', '.join(valid)}{did_you_mean(wrong, valid)}", param_hint=option
        )
    return names


def read_each(
    texts: Sequence[str], work: Callable[[Path], Result], skip: Path | None = None
) -> tuple[list[Result], int]:
    """Apply `work` to each trace; what cannot be read is said on stderr and counted, the others go on.

    `skip` is left out where it is among them.
    """
    from sdtrace.reader import resolve  # noqa: PLC0415  # as above

    reuse_freed_memory()
    results: list[Result] = []
    failures = 0
    found = [item for item in resolve(texts) if item != skip]
    with _progress(len(found)) as show:
        for item in found:
            try:
                if isinstance(item, UnreadableTrace):
                    raise item
                show(item)
                results.append(work(item))
            except UnreadableTrace as error:
                failures += 1
                click.echo(f"sdtrace: {error}", err=True)
            except Exception as error:
                error.add_note(f"while reading {item}")
                raise
    return results, failures


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Path], None]]:
    """Say which file is being read, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415  # only on a terminal
    from rich.markup import escape  # noqa: PLC0415  # as above

    with Console(stderr=True).status("reading") as status:
        done = iter(range(1, total + 1))
        yield lambda path: status.update(f"reading {next(done)} of {total}: {escape(visible(str(path)))}")

"""Where the time of one `sdtrace analyze` goes, by stage.

    python -m benchmarks.stages TRACE

Wraps the public functions of each stage in place and runs the command in this process, so what is
timed is the run itself. Time inside a nested stage counts for that stage alone. Prints a JSON object
of seconds by stage; reading runs on several threads, and its stage is what the main thread waits.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

STAGES: Final = (
    ("read", "sdtrace.reader.read", "read_raw"),
    ("number, rebase", "sdtrace.trace.load", "from_raw"),
    ("attribute", "sdtrace.attribution.op_table", "attribute"),
    ("iterations, components", "sdtrace.structure.run_structure", "find_structure"),
    ("phases", "sdtrace.phases.phases", "find_phases"),
    ("idle", "sdtrace.waiting.idle", "find_idle"),
    ("iterations, components", "sdtrace.breakdowns.iterations", "iteration_rows"),
    ("categories", "sdtrace.breakdowns.kernels", "categorize_work"),
    ("breakdowns", "sdtrace.analysis.trace_report", "report_on"),
    ("op table", "sdtrace.attribution.op_table", "op_table"),
    ("compile stages", "sdtrace.phases.compile_stages", "compile_stages"),
    ("findings", "sdtrace.analysis.conclusions", "draw_conclusions"),
    ("render terminal", "sdtrace.report.terminal", "render_terminal"),
    ("render HTML", "sdtrace.report.html", "render_html"),
    ("render Markdown", "sdtrace.report.markdown", "render_markdown"),
    ("render JSON", "sdtrace.report.to_json", "render_json"),
    ("write", "sdtrace.atomic_files", "write_all"),
)
"""Stage, and the function that does it: its module and name."""
_IMPORTS: Final = (
    "sdtrace.cli.commands",
    "sdtrace.cli.analyze",
    "sdtrace.report.write",
    "rich.console",
    "rich.table",
)


class Stopwatch:
    """Seconds by stage; a stage that starts within another stops that one's clock."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside for `name`."""
        self._split()
        self._running.append(name)
        try:
            yield
        finally:
            self._split()
            self._running.pop()

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*args: Any, **options: Any) -> Any:
            with self.stage(name):
                return function(*args, **options)

        return timed

    def _split(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


def profile(trace: str, output: str) -> dict[str, float]:
    """Run `sdtrace analyze` on a trace; seconds by stage, in the order of their start."""
    watch = Stopwatch()
    with watch.stage("import"):
        for module in (*_IMPORTS, *(module for _, module, _ in STAGES)):
            import_module(module)
    for name, module, function in STAGES:
        original = vars(sys.modules[module])[function]
        _replace(original, watch.wrap(name, original))
    from sdtrace.cli.commands import sdtrace  # noqa: PLC0415  # its import is one of the stages

    with watch.stage("rest"):
        sdtrace(["analyze", trace, "-o", output, "--force"], standalone_mode=False)
    return dict(watch.seconds)


def _replace(original: object, replacement: object) -> None:
    """Put one for the other wherever the project has imported it."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "sdtrace":
            for key in [key for key, value in vars(module).items() if value is original]:
                setattr(module, key, replacement)


def main() -> None:
    import json  # noqa: PLC0415  # not part of what is timed
    import tempfile  # noqa: PLC0415  # as above
    from contextlib import redirect_stdout  # noqa: PLC0415  # as above

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        seconds = profile(sys.argv[1], folder)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()

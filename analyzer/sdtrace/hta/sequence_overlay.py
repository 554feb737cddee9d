"""Kernel sequences laid over a trace, and drawn, as HTA does both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sdtrace.hta.loaded import Raw
from sdtrace.hta.sequences import Launched, Pattern, as_text

_PROFILER: Final = "PyTorch Profiler"


def lay_over(
    raw: Raw,
    shown: Sequence[Pattern],
    found: Mapping[Pattern, Launched],
    symbols: list[str],
    *,
    compress: bool,
) -> None:
    """Write into the arguments of the events of a trace which of the sequences `shown` they belong to.

    `compress` shortens all other events: no arguments, numbers for names. The profiler's own span has the
    names of the numbers. HTA itself goes through a pandas frame, row by row.
    """
    of_event: dict[int, dict[str, int]] = defaultdict(dict)
    for pattern in shown:
        text = as_text(pattern, symbols)
        for events in found[pattern].events:
            for place in events.tolist():
                of_event[place][text] = found[pattern].count
    number = {name: str(place) for place, name in enumerate(symbols)}
    for place, event in enumerate(raw["traceEvents"]):
        if place in of_event:
            event["args"]["Patterns"] = of_event[place]
        elif compress and event["ph"] == "X":
            is_profiler = event["pid"] == "Spans" and _PROFILER in event["name"]
            event["args"] = dict(enumerate(symbols)) if is_profiler else {}
            event["name"] = event["name"] if is_profiler else number.get(event["name"], event["name"])


def draw(frame: Any, rank: int) -> None:
    """Show how frequent the first sequences are, in a bar chart."""
    import plotly.express as px  # noqa: PLC0415  # takes a second to import

    shown = frame.assign(pattern=frame["pattern"].str.replace("|", "<br>", regex=False))
    figure = px.bar(
        shown,
        x=shown.index,
        y="count",
        hover_data=["pattern", "count"],
        title=f"Top {len(shown)} frequent patterns for rank {rank}",
        labels={"x": "Pattern Index", "count": "Pattern Count"},
    )
    figure.update_xaxes(type="category")
    figure.show()

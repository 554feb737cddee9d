"""The command `sdtrace peaks`. Importing this loads no torch and no msgspec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdtrace.errors import UsageError

if TYPE_CHECKING:
    from sdtrace_collector.peaks.record import MeasuredPeaks


@click.command(short_help="Measure what the card can do at most.")
@click.option("--device", metavar="DEVICE", help="cpu, cuda or cuda:N. [cuda where there is one]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="Also write the figures there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as in the facts of a trace.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def peaks(device: str | None, output: Path | None, as_json: bool, force: bool) -> None:
    """Measure matrix products by dtype, memory, cache, launches and copies of this card, in some 5 seconds.

    Each figure is the best of several tries. Let nothing else run on the card. `sdtrace collect` measures the
    same after each run and keeps it in the trace.

    \b
    sdtrace peaks
    sdtrace peaks --device cuda:1 -o card.toml
    """
    from sdtrace.atomic_files import check_targets, write_all  # noqa: PLC0415 - keeps --help fast
    from sdtrace.roofline.peaks_file import toml_of  # noqa: PLC0415 - as above

    if output is not None:
        if output.suffix != ".toml":
            raise UsageError(f"-o {output}: the file is TOML, name it {output.with_suffix('.toml').name}")
        check_targets([output], force=force)
    measured = _measured(device)
    click.echo(_json(measured) if as_json else _page(measured))
    if output is not None:
        import msgspec  # noqa: PLC0415 - as above

        write_all({output: toml_of(msgspec.structs.asdict(measured))}, force=force)
        click.echo(f"{output} written", err=True)


def _measured(device: str | None) -> MeasuredPeaks:
    from sdtrace_collector.errors import SetupFailed  # noqa: PLC0415 - as above
    from sdtrace_collector.failures import INSTALL  # noqa: PLC0415 - as above

    try:
        from sdtrace_collector.devices import device_of  # noqa: PLC0415 - as above
        from sdtrace_collector.peaks.measure import measure_peaks  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise SetupFailed(f"{error.name} is not installed; {INSTALL}") from error
    return measure_peaks(device_of(device))


def _json(measured: MeasuredPeaks) -> str:
    import msgspec  # noqa: PLC0415 - as above

    return msgspec.json.format(msgspec.json.encode(measured)).decode()


def _page(measured: MeasuredPeaks) -> str:
    from sdtrace.roofline.peaks import find_peaks  # noqa: PLC0415 - as above
    from sdtrace_collector.peaks.page import page_of  # noqa: PLC0415 - as above

    return page_of(measured, find_peaks(measured.card))

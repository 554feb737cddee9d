"""The commands `sdtrace collect` and `sdtrace variants`. Importing this loads no torch, rich or msgspec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import click

from sdtrace.errors import UsageError
from sdtrace_collector.variants import BASE, VARIANTS, Variant, adjusted, find_variant

_COUNT = click.IntRange(min=1)
_PATH = click.Path(path_type=Path)


@click.command(short_help="Profile Stable Diffusion variants and write their traces.")
@click.option("--variant", "names", multiple=True, metavar="NAME", help="A variant; repeat for more.")
@click.option("--all", "every", is_flag=True, help="Every variant that suits the model and this machine.")
@click.option("--set", "settings", multiple=True, metavar="AXIS=VALUE", help="Move the variants on an axis.")
@click.option(
    "--variants-file",
    type=_PATH,
    metavar="X.toml",
    help='Variants of your own, such as [mine] with base = "fastest" and dtype = "fp16".',
)
@click.option(
    "--model",
    metavar="MODEL",
    help="sd15, sd21, sdxl, sd3, flux, qwen-image, wan-1.3b, tiny, flux-tiny, a folder or a hub id. "
    "[GPU: sd15; CPU: tiny]",
)
@click.option("--steps", type=_COUNT, help="Denoising steps. [GPU: 10; CPU: 4]")
@click.option("--images", type=_COUNT, help="Images with the profiler. [GPU: 3; CPU: 2]")
@click.option(
    "--unprofiled-images",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Images timed without the profiler, once warm: before and after.",
)
@click.option("--batch", type=_COUNT, default=1, show_default=True, help="Images made at once.")
@click.option("--height", type=_COUNT, help="Pixels, a multiple of 8. [the model's own]")
@click.option("--width", type=_COUNT, help="Pixels, a multiple of 8. [the model's own]")
@click.option("--frames", type=_COUNT, help="Of a video. [the model's own]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of weights and noise.")
@click.option("--prompt", default="a photograph of an astronaut riding a horse", show_default=True)
@click.option(
    "--cold/--warm",
    default=False,
    help="Compile inside the profile, with empty Inductor and Triton caches; or before it. [warm]",
)
@click.option("--device", metavar="DEVICE", help="cpu, cuda or cuda:N. [cuda where there is one]")
@click.option(
    "-o",
    "--output",
    type=_PATH,
    default=Path("traces"),
    show_default=True,
    help="A folder; or for one variant a file, X.json or X.json.gz.",
)
@click.option("--gzip", is_flag=True, help="Compress while writing: VARIANT.json.gz.")
@click.option(
    "--record-shapes/--no-record-shapes", default=True, show_default=True, help="Input shapes, and FLOPs."
)
@click.option("--with-stack", is_flag=True, help="Python stacks.")
@click.option("--profile-memory", is_flag=True, help="Every allocation.")
@click.option("--golden", is_flag=True, help="Also write torch's own key_averages: VARIANT.keyavg.json.gz.")
@click.option(
    "--peaks/--no-peaks", default=None, help="Then measure what the card can do. [GPU: yes; CPU: no]"
)
@click.option(
    "--check-picture/--no-check-picture",
    default=True,
    help="Last, make the first image without the variant's settings and compare. [yes]",
)
@click.option("--force", is_flag=True, help="Replace traces that exist.")
def collect(
    names: tuple[str, ...],
    every: bool,
    settings: tuple[str, ...],
    variants_file: Path | None,
    output: Path,
    gzip: bool,
    force: bool,
    **options: Any,
) -> None:
    """Run Stable Diffusion variants, each in its own process, and write one Chrome trace for each.

    \b
    sdtrace collect --variant bf16_sdpa
    sdtrace collect --variant fastest --cold --model sdxl -o sdxl.json.gz
    """
    from sdtrace_collector import session, targets  # noqa: PLC0415 - `sdtrace --help` imports this module

    chosen = _chosen(names, every, settings_of(settings), _known(variants_file))
    places = targets.targets_for([variant.name for variant in chosen], output, gzip=gzip)
    specs = [session.spec_of(variant, options) for variant in chosen]
    targets.check_places(places, golden=options["golden"], force=force)
    with targets.claimed(places.values()):
        code = session.run_all(specs, places, force=force, passes_over=every)
    if code:
        raise click.exceptions.Exit(code)


@click.command(short_help="List the variants and the axes they move on.")
@click.option("--variants-file", type=_PATH, metavar="X.toml", help="Variants of your own, listed too.")
def variants(variants_file: Path | None) -> None:
    """List every variant, what it does to the picture and what it sets; then the axes and their values.

    \b
    sdtrace variants
    sdtrace variants --variants-file mine.toml
    """
    from sdtrace_collector.variants_page import variants_page  # noqa: PLC0415 - as above

    click.echo(variants_page(_known(variants_file), get_terminal_size().columns))


def _known(variants_file: Path | None) -> Mapping[str, Variant]:
    if variants_file is None:
        return VARIANTS
    from sdtrace_collector.variants_file import read_variants  # noqa: PLC0415 - `sdtrace --help` imports this

    return {**VARIANTS, **read_variants(variants_file)}


def _chosen(
    names: tuple[str, ...], every: bool, settings: Mapping[str, str], known: Mapping[str, Variant]
) -> list[Variant]:
    if every and names:
        raise UsageError("--all and --variant exclude one another: give one of them")
    if not every and not names:
        raise UsageError(
            f"no variant given: add --variant NAME, such as {BASE}, or --all; see `sdtrace variants`"
        )
    if every:
        return _all_that_fit(known, settings)
    return [adjusted(find_variant(name, known), settings) for name in dict.fromkeys(names)]


def _all_that_fit(known: Mapping[str, Variant], settings: Mapping[str, str]) -> list[Variant]:
    """Those that can be moved so; the others are said. Raises UsageError where none can."""
    fitting, refused = [], {}
    for name, variant in known.items():
        try:
            fitting.append(adjusted(variant, settings))
        except UsageError as error:
            refused[name] = error
    if not fitting:
        raise next(iter(refused.values()))
    for name, reason in refused.items():
        click.echo(f"sdtrace: {name}: skipped: {reason}", err=True)
    return fitting


def settings_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """What `--set AXIS=VALUE`, given some times, asks for. Raises UsageError where one has no `=`."""
    settings = {}
    for pair in pairs:
        axis, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: write AXIS=VALUE, such as --set dtype=bf16")
        settings[axis.strip()] = value.strip()
    return settings

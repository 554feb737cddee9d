"""The table of variants, and what a user says to move on its axes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sdtrace.errors import UsageError
from sdtrace_collector.cli import collect, variants
from sdtrace_collector.variants import AXES, STUDY, VARIANTS, Axes, adjusted, find_variant, move
from sdtrace_collector.variants_file import read_variants


def said(*arguments: str) -> str:
    """The usage error that `sdtrace collect` ends in."""
    result = CliRunner().invoke(collect, arguments)
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    return str(result.exception)


def test_the_study_is_seven_variants_each_one_step_from_another() -> None:
    names = [variant.name for variant in STUDY]
    assert names == [
        "fp32_eager",
        "fp32_compile",
        "fp32_sdpa",
        "fp32_inference_mode",
        "bf16",
        "fp16",
        "bf16_sdpa",
    ]
    assert VARIANTS["fp32_eager"].changes() == {}
    assert VARIANTS["fp32_sdpa"].changes() == {"attention": "sdpa", "compile": "default"}
    assert VARIANTS["fp16"].changes() == {
        "dtype": "fp16",
        "compile": "default",
        "grad_mode": "inference_mode",
    }


def test_every_variant_can_run_and_is_unlike_the_others() -> None:
    base = Axes()
    assert all(move(base, variant.changes()) == variant.axes for variant in VARIANTS.values())
    assert len({variant.axes for variant in VARIANTS.values()}) == len(VARIANTS)


def test_the_listing_names_every_variant_and_every_value() -> None:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(variants, [])
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    lines = {line.split()[0]: line for line in result.output.splitlines() if line.strip()}
    assert set(VARIANTS) <= set(lines)
    assert "dtype=bf16" in lines["bf16"]
    assert "dtype" not in lines["fp32_compile"]
    words = result.output.replace("\n", " ").split()
    assert all(value in " ".join(words) for axis in AXES for value in axis.values)


def test_the_listing_says_what_becomes_of_the_picture() -> None:
    lines = CliRunner(env={"COLUMNS": "500"}).invoke(variants, []).output.splitlines()
    short = {"exact": "exact", "equal up to rounding": "rounding", "lossy": "lossy"}
    for variant in VARIANTS.values():
        (line,) = (line for line in lines if line.startswith(f"{variant.name} "))
        assert line.split()[1] == short[variant.axes.effect]


def test_what_the_listing_says_of_a_variant_makes_it() -> None:
    lines = CliRunner(env={"COLUMNS": "500"}).invoke(variants, []).output.splitlines()
    for variant in list(VARIANTS.values())[1:]:
        (line,) = (line for line in lines if line.startswith(f"{variant.name} "))
        _, _, text = line.split(maxsplit=2)
        start, _, settings = text.rpartition(" with ")
        pairs = (word.split("=") for word in settings.split())
        assert move(VARIANTS[start or "fp32_eager"].axes, dict(pairs)) == variant.axes


@pytest.mark.parametrize(
    ("settings", "effect"),
    [
        ({}, "exact"),
        ({"timesteps": "host", "grad_mode": "inference_mode"}, "exact"),
        ({"timesteps": "host", "attention": "sdpa"}, "equal up to rounding"),
        ({"dtype": "bf16", "quantization": "fp8"}, "equal up to rounding"),
        ({"dtype": "bf16", "attention": "sage"}, "lossy"),
        ({"cache": "lossy_skip_steps", "dtype": "fp16"}, "lossy"),
    ],
)
def test_a_point_does_to_the_picture_what_its_strongest_setting_does(
    settings: dict[str, str], effect: str
) -> None:
    assert move(Axes(), settings).effect == effect


def test_names_say_lossy_where_work_is_left_out_and_nowhere_else() -> None:
    assert all((v.axes.cache != "none") == v.name.startswith("lossy_") for v in VARIANTS.values())
    assert all(v.axes.cache == "none" or v.axes.cache.startswith("lossy_") for v in VARIANTS.values())


def test_an_unknown_variant_names_the_nearest() -> None:
    message = said("--variant", "bf16_spda")
    assert "did you mean 'bf16_sdpa'" in message
    assert "fastest" in message


def test_an_unknown_axis_names_the_nearest() -> None:
    assert "did you mean 'dtype'" in said("--variant", "bf16", "--set", "dtyp=fp16")


def test_an_unknown_value_names_the_valid_ones() -> None:
    message = said("--variant", "bf16", "--set", "compile=max_autotune")
    assert "did you mean 'max-autotune'" in message
    assert "reduce-overhead" in message


def test_an_unknown_model_names_the_nearest() -> None:
    assert "did you mean 'sdxl'" in said("--variant", "bf16", "--model", "sdx")
    assert "did you mean 'sd15'" in said("--variant", "bf16", "--model", "sd16")


def test_a_path_that_is_no_folder_is_not_taken_for_a_hub_id() -> None:
    assert "no such folder" in said("--variant", "bf16", "--model", "./nowhere/at/all")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "no variant given"),
        (("--variant", "bf16", "--all"), "exclude one another"),
        (("--variant", "bf16", "--set", "fp16"), "write AXIS=VALUE"),
        (("--variant", "bf16", "--height", "100"), "choose 104"),
        (("--all", "-o", "one.json"), "is one file but there are 21 variants"),
    ],
)
def test_what_cannot_be_run_is_refused_with_a_way_out(arguments: tuple[str, ...], part: str) -> None:
    assert part in said(*arguments)


@pytest.mark.parametrize(
    "settings",
    [
        {"compile_vae": "on"},
        {"compile_text_encoder": "on"},
        {"combo_kernels": "on"},
        {"fused_qkv": "on"},
        {"quantization": "fp8"},
    ],
)
def test_combinations_that_would_do_nothing_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"set .* too"):
        adjusted(find_variant("fp32_eager"), settings)


def test_a_file_of_variants_builds_on_the_table_and_on_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[half]\nbase = "bf16_sdpa"\ndtype = "fp16"\n\n[half_eager]\nbase = "half"\ncompile = "none"\n'
    )
    made = read_variants(path)
    assert made["half_eager"].changes() == {
        "dtype": "fp16",
        "attention": "sdpa",
        "grad_mode": "inference_mode",
    }
    result = CliRunner().invoke(variants, ["--variants-file", str(path)])
    assert "half_eager" in result.output


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[mine]\ndtpye = 'bf16'\n", "did you mean 'dtype'"),
        ("[mine]\nbase = 'fp64'\n", "unknown variant 'fp64'"),
        ("[mine]\ndtype = 16\n", "table of strings"),
        ("[bf16]\ndtype = 'fp16'\n", "the name is taken"),
        ("['../up']\ndtype = 'fp16'\n", "no good as a file name"),
        ("dtype: bf16", "is not TOML"),
        ("", "defines no variant"),
    ],
)
def test_a_wrong_file_is_told_where_and_why(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_variants(path)
    assert part in str(error.value)
    assert str(path) in str(error.value)

"""`sdtrace tune my_script.py`: what is set from outside, what suits a pipeline, and a real run on the CPU."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import sdtrace
from sdtrace.errors import UsageError
from sdtrace_collector import compiling
from sdtrace_collector.errors import SetupFailed, VariantFailed
from sdtrace_collector.script import outside
from sdtrace_collector.script.outside import Outside, apply
from sdtrace_collector.script.pipeline_facts import describe
from sdtrace_collector.script.trial import picture_of
from sdtrace_collector.tune import command, loop, script_bench, script_space, script_worker
from sdtrace_collector.tune.bench import Measured
from sdtrace_collector.tune.cures import Where
from sdtrace_collector.tune.record import Tuning
from sdtrace_collector.tune.script_bench import ScriptBench
from sdtrace_collector.tune.script_code import in_code
from sdtrace_collector.tune.script_space import ScriptSpace
from tests.collector.tiny_pipelines import TINY

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning"
)
H100 = Where("cuda", 9)
AS_IT_IS = asdict(Outside())


def space(family: str, change: Callable[[Any], Any] = lambda _: None) -> ScriptSpace:
    """What suits a pipeline."""
    pipe = TINY[family].make()
    change(pipe)
    facts: Any = SimpleNamespace(pipelines=[describe(pipe)])
    return ScriptSpace(facts)


def known(family: str, where: Where, change: Callable[[Any], Any] = lambda _: None) -> list[str]:
    made = space(family, change)
    found = made.known_to_help(AS_IT_IS, where)
    return [f"{axis}={value}" for each in found for axis, value in each.settings.items()]


def halved(pipe: Any) -> None:
    pipe.to(torch.bfloat16)


def test_what_suits_a_pipeline_depends_on_what_it_is() -> None:
    flux = known("Flux", H100)
    assert flux == [
        "dtype=bf16",
        "attention=cudnn",
        "attention=flash3",
        "compile=regional",
        "compile=default",
        "compile=reduce-overhead",
        "compile_vae=on",
    ]
    assert "dtype=bf16" not in known("Flux", H100, halved)
    assert "attention=flash3" not in known("text-to-image", H100)
    assert "offload=off" in known("Flux", H100, lambda pipe: pipe.enable_model_cpu_offload(device="cpu"))
    compiled = known("Flux", H100, lambda pipe: pipe.transformer.compile(backend="eager"))
    assert not any(each.startswith("compile=") for each in compiled)
    assert "dtype=bf16" not in known("Flux", Where("cuda", 7))
    assert known("Flux", Where("cuda", 9, keep_dtype=True))[0] == "attention=cudnn"


def test_channels_last_comes_after_compiling_and_modes_only_go_on() -> None:
    made = space("text-to-image")
    layout = {"memory_format": "channels_last"}
    assert made.moved(AS_IT_IS, layout, H100) is None
    compiled = made.moved(AS_IT_IS, {"compile": "default"}, H100)
    assert compiled is not None
    assert made.moved(compiled, layout, H100) == {**compiled, **layout}
    assert made.moved(compiled, {"compile": "regional"}, H100) is None
    assert made.moved(compiled, {"compile": "reduce-overhead"}, H100) is not None
    assert made.moved(AS_IT_IS, {"compile": "reduce-overhead"}, Where("cpu")) is None


def test_findings_are_answered_in_their_order() -> None:
    findings = [
        SimpleNamespace(id="host.copies", title="Weights are copied"),
        SimpleNamespace(id="host.launch_bound", title="The GPU waits"),
    ]
    made = space("Flux", lambda pipe: pipe.enable_model_cpu_offload(device="cpu"))
    first, second, *_ = made.advised(findings, AS_IT_IS, H100)
    assert first.settings == {"offload": "off"}
    assert second.settings == {"compile": "regional"}


def test_a_script_in_16_bits_may_round_as_they_do() -> None:
    single, half = space("Flux"), space("Flux", halved)
    assert not single.is_same_picture(25, AS_IT_IS, "cuda")
    assert single.is_same_picture(25, AS_IT_IS | {"dtype": "bf16"}, "cuda")
    assert half.is_same_picture(25, AS_IT_IS, "cuda")
    assert not half.is_same_picture(5, AS_IT_IS, "cuda")


def test_settings_are_put_on_the_pipeline_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_mode", lambda *_, **__: {"backend": "eager"})
    pipe = TINY["text-to-image"].make()
    apply(pipe, Outside(dtype="bf16", memory_format="channels_last", compile="default", compile_vae="on"))
    networks = describe(pipe).networks
    assert networks["unet"].dtypes == networks["text_encoder"].dtypes == ["bfloat16"]
    assert networks["unet"].channels_last
    assert networks["unet"].compiled == "whole"
    assert networks["vae"].compiled == "Decoder"
    flux = TINY["Flux"].make()
    apply(flux, Outside(compile="regional"))
    assert (
        describe(flux).networks["transformer"].compiled == "FluxSingleTransformerBlock, FluxTransformerBlock"
    )
    with pytest.raises(VariantFailed, match="attention=sage"):
        apply(flux, Outside(attention="sage"))


@pytest.mark.parametrize("kind", ["model", "group"])
def test_offloading_is_taken_away(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    pipe = TINY["Flux"].make()
    cpu = torch.device("cpu")
    if kind == "model":
        pipe.enable_model_cpu_offload(device="cpu")
    else:
        pipe.transformer.enable_group_offload(cpu, cpu, offload_type="leaf_level")
    assert kind in {network.offload for network in describe(pipe).networks.values()}
    monkeypatch.setattr(type(pipe), "to", lambda self, _: self)  # no GPU here
    apply(pipe, Outside(offload="off"))
    assert {network.offload for network in describe(pipe).networks.values()} == {""}
    assert TINY["Flux"].call(pipe).images


def test_a_quantized_network_keeps_its_dtype() -> None:
    pipe = TINY["Flux"].make()
    pipe.transformer.enable_layerwise_casting(torch.float8_e4m3fn, torch.float32)
    before = describe(pipe).networks["transformer"].dtypes
    apply(pipe, Outside(dtype="bf16"))
    assert describe(pipe).networks["transformer"].dtypes == before
    assert describe(pipe).networks["vae"].dtypes == ["bfloat16"]


@pytest.mark.parametrize("value", [np.full((8, 8, 3), 0.5), torch.full((3, 8, 8), 0.5)])
def test_pictures_of_every_kind_are_numbers_from_0_to_1(value: Any) -> None:
    for result in ([value], SimpleNamespace(images=[value]), SimpleNamespace(frames=[[value]]), (value,)):
        picture = picture_of(result)
        assert picture is not None
        assert picture.dtype == np.float32
        assert picture.max() == 0.5
    red = picture_of(SimpleNamespace(images=[Image.new("RGB", (4, 4), "red")]))
    assert red is not None
    assert red[0, 0].tolist() == [1, 0, 0]
    assert picture_of(SimpleNamespace(text="none")) is None


@pytest.mark.parametrize("denoiser", ["unet", "transformer"])
def test_what_was_kept_is_said_in_python(denoiser: str) -> None:
    settings = {
        "offload": "off",
        "dtype": "bf16",
        "tf32": "on",
        "attention": "cudnn",
        "memory_format": "channels_last",
        "cudnn_benchmark": "on",
        "compile": "regional",
        "compile_vae": "on",
    }
    assert set(settings) == set(AS_IT_IS)
    lines = list(in_code(settings, denoiser))
    code = dedent("\n".join(lines[2:]))
    ast.parse(code)
    assert f"pipe.{denoiser}.compile_repeated_blocks(dynamic=False)" in code
    assert "torch.bfloat16" in code
    assert list(in_code(AS_IT_IS, denoiser)) == ["Nothing was faster: leave the script as it is."]


_SCRIPT = """
    import sys, torch
    from tests.collector.tiny_pipelines import TINY
    tiny = TINY[sys.argv[1]]
    pipe = tiny.make()
    torch.manual_seed(0)
    tiny.call(pipe)
    open("went on", "w")
"""


def in_this_process(order: script_worker.Order, log: Path) -> int:
    log.touch()
    sys.argv = ["worker", msgspec.json.encode(order).decode()]
    return script_worker.main()


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command on a script, with one setting to try, and the script in this process.

    In processes of its own it takes half a minute; another test starts one.
    """
    torch.set_num_threads(1)
    monkeypatch.setattr(script_bench, "_run_worker", in_this_process)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(script_space, "_ON_A_CPU", ({"dtype": "bf16"},))
    monkeypatch.setattr(loop, "needs_more", lambda *_, **__: False)
    monkeypatch.setattr(loop.Loop, "_measure_ends_again", lambda _: None)
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(dedent(_SCRIPT))

    def run(*words: str) -> Result:
        options = ("--images", "1", "--unprofiled-images", "3", "-o", "out")
        return CliRunner().invoke(command.tune, [*options, *words])

    return run


def test_a_script_is_tried_with_settings_from_outside(tuned: Callable[..., Result]) -> None:
    result = tuned("mine.py", "text-to-image")
    assert result.exit_code == 0, result.output
    tuning = msgspec.json.decode(Path("out", "tune.json").read_bytes(), type=Tuning)
    assert (tuning.script, tuning.denoiser, tuning.steps) == ("mine.py", "unet", 3)
    start, trial = tuning.trials
    assert (start.name, trial.name) == ("as it is", "dtype=bf16")
    assert start.measured is not None
    assert [len(each) for each in start.measured.processes] == [3, 3]
    assert trial.outcome in ("kept", "slower", "within the noise")
    assert trial.psnr_db is not None
    assert 20 < trial.psnr_db < 200
    trace = Path("out", str(trial.trace))
    run = sdtrace.load(trace).report.run
    assert run["outside"] == {"dtype": "bf16"}
    assert run["pipelines"][0]["networks"]["unet"]["dtypes"] == ["bfloat16"]
    assert not Path("went on").exists(), "what follows the calls is left out"
    assert Path("out", "best", "report.html").is_file()


@pytest.mark.usefixtures("forked_workers")
def test_a_setting_that_a_pipeline_cannot_take_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=":")
    script = tmp_path / "mine.py"
    script.write_text(dedent(_SCRIPT))
    bench = ScriptBench(script, ["Flux"], tmp_path, images=1, unprofiled=1)
    with pytest.raises(VariantFailed, match=r"^attention=sage: .*; choose attention=sdpa or cudnn$"):
        bench.measure("x", AS_IT_IS | {"attention": "sage"})


def test_a_script_runs_in_an_interpreter_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("import sys\nassert 'torch' not in sys.modules, 'it was forked'\n")
    bench = ScriptBench(script, [], tmp_path, images=1, unprofiled=1)
    with pytest.raises(SetupFailed, match=r"mine.py called no diffusers pipeline"):
        bench.measure("x", AS_IT_IS)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("x\ntorch.OutOfMemoryError: CUDA out of memory.\nsdtrace: 1 call", "torch.OutOfMemoryError: CUDA"),
        ("sdtrace: nothing to profile: the script called no diffusers pipeline", "nothing to tune"),
        ("Killed", "exit code -9"),
    ],
)
def test_why_a_script_failed_is_one_line(tmp_path: Path, log: str, message: str) -> None:
    bench = ScriptBench(tmp_path / "mine.py", [], tmp_path, images=1, unprofiled=1)
    assert message in str(bench._failure(-9, log))


def test_a_script_whose_pictures_differ_is_told_to_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = ScriptBench(tmp_path / "mine.py", [], tmp_path, images=1, unprofiled=1)
    first = np.zeros((3, 8, 8), np.float32)

    def makes(level: float) -> None:
        def run(*arguments: Any) -> Any:
            np.save(arguments[-1], first + np.float32(level))
            return SimpleNamespace(unprofiled_wall_s=[1.0])

        monkeypatch.setattr(bench, "_run", run)

    makes(0.001)
    assert bench.check_repeats(Measured(None, first, tmp_path), AS_IT_IS) == [1.0]
    makes(0.3)
    with pytest.raises(SetupFailed, match=r"mine.py makes another picture each time.*torch.manual_seed"):
        bench.check_repeats(Measured(None, first, tmp_path), AS_IT_IS)


def test_what_only_a_model_has_is_refused_beside_a_script(tuned: Callable[..., Result]) -> None:
    assert "--steps" in str(tuned("--steps", "3", "mine.py").exception)
    assert "--from" in str(tuned("--from", "fastest", "mine.py").exception)
    assert isinstance(tuned("nowhere.py").exception, UsageError)
    assert outside.AS_IT_IS in AS_IT_IS.values()

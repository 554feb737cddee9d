"""`sdtrace run`: the script is as it is, and its calls are left out, timed and profiled."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest
import torch

import sdtrace
from sdtrace.errors import UsageError
from sdtrace_collector.script.plan import Plan
from sdtrace_collector.script.runner import Wanted, run
from tests.collector.tiny_pipelines import TINY

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning"
)
_CALLS = """
    import sys
    from tests.collector.tiny_pipelines import TINY
    tiny = TINY["text-to-image"]
    pipe = tiny.make()
    for _ in range(int(sys.argv[1])):
        last = tiny.call(pipe)
"""
_TORCH_ONLY = """
    import torch

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(64, 64)

        def forward(self, x):
            return self.linear(x)

    def generate(x):
        return block(x).relu()

    block = Block()
    if {compiled}:
        block = torch.compile(block, backend="eager")
    for _ in range(4):
        generate(torch.ones(2, 64))
"""


class Ran(NamedTuple):
    """The exit code of a script, what it printed, what was said about it, and its trace."""

    code: int
    printed: str
    said: str
    path: Path

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.path.read_bytes())["sdtrace"]
        return facts

    def load(self) -> sdtrace.Analysis:
        return sdtrace.load(self.path)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs a program as a script of its own, in this process."""
    torch.set_num_threads(1)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])

    def ran(program: str, *arguments: str, plan: Plan = Plan(1, 2, 2), **wanted: Any) -> Ran:  # noqa: B008 - frozen
        path = tmp_path / "mine.py"
        path.write_text(dedent(program))
        given: dict[str, Any] = {"function": None, "every_module": None, "profiler": {}}
        given |= {"peaks": False, "force": False}
        target = tmp_path / "mine.json"
        path = wanted.pop("script", path)
        code = run(Wanted(path, list(arguments), target, plan, **{**given, **wanted}))
        return Ran(code, *capfd.readouterr(), target)

    return ran


def test_calls_are_left_out_timed_and_profiled(script: Any) -> None:
    ran = script(_CALLS, "6")
    facts = ran.facts
    assert ran.code == 0
    assert [len(facts[f"{part}_wall_s"]) for part in ("warmup", "unprofiled", "profiled")] == [1, 2, 2]
    assert facts["unprofiled_before"] == 1
    assert facts["calls"] == {"StableDiffusionPipeline": 6}
    assert not facts["cold"]
    assert facts["schema"] == "sdtrace.run/1"
    assert (facts["steps"], facts["height"], facts["width"], facts["batch"]) == (3, 32, 32, 1)
    assert facts["model"] == "StableDiffusionPipeline"
    report = ran.load().report
    assert len(report.iterations) == 2
    assert report.unprofiled_wall_us == pytest.approx(sum(facts["unprofiled_wall_s"]) / 2 * 1e6)
    assert "6 calls of StableDiffusionPipeline: 1 left out, 2 timed" in ran.said
    assert "next: sdtrace analyze" in ran.said


def test_the_facts_say_what_the_pipeline_is(script: Any) -> None:
    unet = script(_CALLS, "2", plan=Plan(0, 0, 1)).facts["pipelines"][0]["networks"]["unet"]
    assert unet["class"] == "UNet2DConditionModel"
    assert unet["dtypes"] == ["float32"]
    assert unet["devices"] == ["cpu"]
    assert unet["attention"] == ["AttnProcessor2_0"]
    assert unet["parameters"] > 10_000


def test_a_modular_pipeline_is_seen_with_what_it_was_asked_for(script: Any) -> None:
    calls = """
        from tests.collector.tiny_pipelines import modular
        pipe = modular()
        for _ in range(2):
            state = pipe(prompt="a horse", num_inference_steps=2, height=32, width=32)
    """
    ran = script(calls, plan=Plan(0, 0, 1))
    assert "2 calls of StableDiffusionXLModularPipeline: " in ran.said
    assert (ran.facts["steps"], ran.facts["batch"], ran.facts["height"]) == (2, 1, 32)
    assert {"unet", "vae"} < set(ran.facts["pipelines"][0]["networks"])


def test_a_single_call_is_profiled_cold_and_said_to_be(script: Any) -> None:
    ran = script(_CALLS, "1", plan=Plan(2, 3, 2, try_first=True))
    assert ran.code == 0
    assert ran.facts["cold"] is True
    assert len(ran.facts["profiled_wall_s"]) == 1
    assert "the first call, which is cold" in ran.said
    assert len(ran.load().report.iterations) == 1


def test_too_few_calls_for_the_plan_are_told_a_plan_that_fits(script: Any) -> None:
    ran = script(_CALLS, "4", plan=Plan(2, 3, 2, try_first=True))
    assert ran.facts["cold"] is True
    assert len(ran.facts["unprofiled_wall_s"]) == 2
    assert "--skip 1 --unprofiled 2 --profile 1" in ran.said


def test_repeating_makes_the_calls_that_are_missing_and_no_other_picture(script: Any) -> None:
    program = """
        import torch
        from tests.collector.tiny_pipelines import TINY
        tiny = TINY["text-to-image"]
        pipe = tiny.make()
        torch.manual_seed(1)
        generator = torch.Generator().manual_seed(0)
        made = pipe(num_inference_steps=2, generator=generator, output_type="pt", **tiny.arguments).images
        print(made.double().sum().item(), torch.rand(1).item(), torch.rand(1, generator=generator).item())
    """
    plain = script(program, plan=Plan(0, 0, 1))
    plain.path.unlink()
    assert plain.printed
    repeated = script(program, plan=Plan(1, 1, 2, repeat=True))
    assert len(repeated.facts["profiled_wall_s"]) == 2
    assert "the first made 4 times" in repeated.said
    assert repeated.printed == plain.printed


def test_a_refiner_belongs_to_the_image_of_its_base(script: Any) -> None:
    program = """
        from tests.collector.tiny_pipelines import base_and_refiner
        base, refiner = base_and_refiner()
        for _ in range(5):
            latents = base("a horse", num_inference_steps=2, height=32, width=32, output_type="latent").images
            refiner("a horse", image=latents, num_inference_steps=4, strength=0.5)
    """
    ran = script(program)
    assert ran.code == 0, ran.said
    assert ran.facts["calls"] == {"StableDiffusionXLPipeline": 5, "StableDiffusionXLImg2ImgPipeline": 5}
    assert len(ran.facts["unprofiled_wall_s"]) == 2
    assert [each["class"] for each in ran.facts["pipelines"]] == list(ran.facts["calls"])
    steps = ran.load().steps
    assert steps.group_by("iteration").len()["len"].to_list() == [4, 4]


def test_the_script_has_its_own_arguments_name_and_folder(script: Any, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 3")
    program = """
        import sys
        import beside
        assert sys.argv == [__file__, "--debug", "x y"], sys.argv
        assert sys.modules["__main__"].__dict__ is globals()
        assert __name__ == "__main__"
        sys.exit(beside.VALUE)
    """
    ran = script(program, "--debug", "x y")
    assert ran.code == 3, ran.said
    assert "nothing was profiled: the script ended with exit code 3 before a call that counts" in ran.said
    assert not ran.path.exists()
    assert "nothing to profile: the script called no diffusers pipeline" in script("x = 1\n").said


def test_a_module_of_a_package_runs_as_python_runs_it(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "mypackage"
    package.mkdir()
    for name in ("__init__", "other"):
        (package / f"{name}.py").write_text("VALUE = 4\n")
    program = """
        import sys
        from .other import VALUE
        assert (__name__, __package__, __spec__.name) == ("__main__", "mypackage", "mypackage.%s")
        assert sys.argv == [__file__, "x"], sys.argv
        sys.exit(VALUE)
    """
    for name in ("generate", "__main__"):
        (package / f"{name}.py").write_text(dedent(program % name))
    monkeypatch.chdir(tmp_path)
    for name in ("mypackage.generate", "mypackage"):
        assert script("", "x", script=Path(name), is_module=True).code == 4
    for name in ("mypackage.nowhere", "nowhere.at.all", "mypackage.other.x"):
        with pytest.raises(UsageError, match=f"-m {name}: no such module"):
            script("", script=Path(name), is_module=True)
    for name in [name for name in sys.modules if name.partition(".")[0] == "mypackage"]:
        del sys.modules[name]


def test_what_the_script_raises_is_shown_as_python_shows_it_and_the_trace_is_kept(script: Any) -> None:
    ran = script(_CALLS + "    raise ValueError('mine')\n", "5")
    assert ran.code == 1
    assert ran.said.count("Traceback") == 1
    assert "mine.py" in ran.said
    assert "ValueError: mine" in ran.said
    assert "sdtrace_collector" not in ran.said
    assert len(ran.facts["profiled_wall_s"]) == 2


def test_a_call_that_fails_within_the_pipeline_leaves_our_frames_out(script: Any) -> None:
    ran = script(_CALLS + "    pipe(prompt=3)\n", "1", plan=Plan(0, 0, 2))
    assert ran.code == 1
    assert "pipe(prompt=3)" in ran.said
    assert "sdtrace_collector" not in ran.said
    assert len(ran.facts["profiled_wall_s"]) == 1


@pytest.mark.parametrize("wanted", [{"function": "generate"}, {"every_module": "Block"}])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_script_without_diffusers(script: Any, wanted: dict[str, str], compiled: bool) -> None:
    ran = script(_TORCH_ONLY.format(compiled=compiled), plan=Plan(1, 1, 2), **wanted)
    assert ran.code == 0, ran.said
    assert ran.facts["calls"] == dict.fromkeys(wanted.values(), 4)
    assert len(ran.load().report.iterations) == 2
    torch._dynamo.reset()


def test_a_function_of_another_module(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "others.py").write_text("import torch\ndef make():\n    return torch.ones(3).sum()\n")
    monkeypatch.delitem(sys.modules, "others", raising=False)
    ran = script(
        "from others import make\n[make() for _ in range(3)]\n", plan=Plan(1, 0, 2), function="others:make"
    )
    assert ran.facts["calls"] == {"make": 3}


def test_a_function_that_is_not_there(script: Any) -> None:
    with pytest.raises(UsageError, match="does not define it"):
        script("x = 1\n", function="generate")


def test_a_compiled_part_is_not_compiled_again(script: Any) -> None:
    program = """
        import torch
        from torch._dynamo.utils import counters
        from tests.collector.tiny_pipelines import TINY
        tiny = TINY["Flux"]
        pipe = tiny.make()
        pipe.transformer = torch.compile(pipe.transformer, backend="eager")
        pipe.vae.decoder.compile(backend="eager")
        for _ in range(3):
            tiny.call(pipe)
            print(counters["stats"]["unique_graphs"])
    """
    ran = script(program, plan=Plan(2, 0, 1))
    _, warm, profiled = map(int, ran.printed.split())
    assert warm == profiled > 0
    networks = ran.facts["pipelines"][0]["networks"]
    assert networks["transformer"]["compiled"] == "whole"
    assert networks["transformer"]["class"] == "FluxTransformer2DModel"
    assert networks["vae"]["compiled"] == "Decoder"
    assert networks["text_encoder"].get("compiled") is None
    torch._dynamo.reset()


def test_a_profiler_of_the_script_goes_first(script: Any) -> None:
    program = """
        from torch.profiler import profile
        from tests.collector.tiny_pipelines import TINY
        tiny = TINY["DDPM"]
        pipe = tiny.make()
        with profile():
            tiny.call(pipe)
    """
    ran = script(program, plan=Plan(0, 0, 1))
    assert ran.code == 1
    assert "end your own profiler" in ran.said


_PROGRAM = """
import sys
assert "torch" not in sys.modules and "diffusers" not in sys.modules
import os
os.environ["HF_HUB_OFFLINE"] = "1"
from tests.collector.tiny_pipelines import TINY
from huggingface_hub.constants import HF_HUB_OFFLINE
assert HF_HUB_OFFLINE
tiny = TINY["DDPM"]
pipe = tiny.make()
tiny.call(pipe)
"""


def test_the_command_imports_nothing_before_the_script_does(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(_PROGRAM)
    command = "from sdtrace_collector.script.command import run; run()"
    words = ["--profile", "1", "--skip", "0", "--unprofiled", "0", "--gzip", "mine.py"]
    done = subprocess.run(
        [sys.executable, "-c", command, *words],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(gzip.decompress((tmp_path / "traces" / "mine.json.gz").read_bytes()))["sdtrace"]
    assert facts["script"] == "mine.py"
    assert TINY["DDPM"].parts == {"unet"}

"""What `sdtrace tune` does next and what it keeps, on reports of shipped traces and walls made up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

import sdtrace
from sdtrace_collector.errors import VariantFailed
from sdtrace_collector.likeness import is_same_picture, psnr_db
from sdtrace_collector.protocol import RunFacts
from sdtrace_collector.tune import cures
from sdtrace_collector.tune.bench import Measured
from sdtrace_collector.tune.cures import CURES, Candidate, Where, advised, known_to_help, moved
from sdtrace_collector.tune.decide import Verdict, Walls, judge, needs_more, predict, predict_together
from sdtrace_collector.tune.loop import Loop, begin
from sdtrace_collector.tune.page import best_options, line, markdown
from sdtrace_collector.tune.record import Trial
from sdtrace_collector.tune.space import Point, VariantSpace
from sdtrace_collector.variants import AXES, Axes, find_variant, move
from tests.loaded import analysis_of

SHIPPED = Path(__file__).parents[2] / "traces"
H200 = Where("cuda", 9)
EAGER = Axes()
FASTEST = find_variant("fastest_fp8").axes


def analysis(name: str) -> sdtrace.Analysis:
    return analysis_of(SHIPPED / name)


def of(axes: Axes) -> sdtrace.Analysis:
    """A real analysis of what is most like these axes."""
    if axes.cudagraphs:
        return analysis("h200-bf16_sdpa_cudagraphs.json")
    if axes.compiled:
        return analysis("h200-bf16_sdpa_regional.cold.json.gz")
    return analysis("h200-fp32_eager.json" if axes.dtype == "fp32" else "h200-bf16_sdpa_eager.stack.json.gz")


def finding(name: str, title: str = "", **more: Any) -> Any:
    return SimpleNamespace(id=name, title=title, saving_us=more.pop("saving_us", None), **more)


def settings(findings: list[Any], axes: Axes, where: Where = H200) -> list[Mapping[str, str]]:
    return [candidate.settings for candidate in advised(findings, axes, where)]


def test_the_best_finding_of_a_real_report_comes_first() -> None:
    findings = of(EAGER).report.findings
    assert settings(findings, EAGER)[:2] == [{"compile": "reduce-overhead"}, {"compile": "default"}]
    assert {"dtype": "bf16"} in settings(findings, EAGER)
    first = next(advised(findings, EAGER, H200))
    assert first.findings[0].id == "host.launch_bound"
    # The range of what it becomes holds the 10.5 ms that its twin takes, from the 17.3 ms that were timed.
    promised = predict(first.findings[0], 17_272.865)
    assert promised is not None
    middle, low, high = promised
    assert low is not None
    assert high is not None
    assert 5_000 < low <= middle <= 10_500 <= high < 12_200


def test_channels_last_is_advised_only_where_it_comes_true() -> None:
    eager = replace(EAGER, dtype="bf16", attention="sdpa")
    findings = of(eager).report.findings
    assert "device.layout" in {found.id for found in findings}
    layout = {"memory_format": "channels_last"}
    assert layout not in settings(findings, eager)
    assert layout in settings(findings, replace(eager, compile="default"))


def test_what_runs_outside_cuda_graphs_is_advised_once_there_are_some() -> None:
    graphs = find_variant("bf16_sdpa_cudagraphs").axes
    found = settings(of(graphs).report.findings, graphs)
    # That the VAE is not compiled is told twice: it launches op by op, and a compiler would fuse it.
    assert found == [{"compile_text_encoder": "on"}, {"compile_vae": "on"}, {"compile_vae": "on"}]


def test_unknown_findings_are_ignored() -> None:
    assert settings([finding("host.moonlight"), finding("trace.ranges")], EAGER) == []


def test_a_title_says_which_component_is_meant() -> None:
    compiled = replace(EAGER, compile="default")
    said = "The GPU waits while the CPU launches "
    assert settings([finding("host.component", said + "vae")], compiled) == [{"compile_vae": "on"}]
    assert settings([finding("host.component", said + "scheduler")], compiled) == [{"timesteps": "host"}]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (H200, [{"dtype": "bf16"}, {"tf32": "on"}]),
        (Where("cuda", 7), [{"dtype": "fp16"}, {"tf32": "on"}]),
        (Where("cuda", 9, keep_dtype=True), [{"tf32": "on"}]),
    ],
)
def test_float32_is_answered_by_what_the_gpu_takes(where: Where, expected: list[Mapping[str, str]]) -> None:
    ids = ("device.float32", "device.tf32")
    float32 = [found for found in of(EAGER).report.findings if found.id in ids]
    assert settings(float32, EAGER, where) == expected
    assert settings(float32, replace(EAGER, dtype="bf16"), where) == []


def test_every_value_of_every_axis_answers_a_finding_or_is_said_not_to() -> None:
    answers = {change for cure in CURES for change in cure.settings.items()}
    answers |= set(cures._ON_A_GPU.items()) | set(cures._ON_A_CPU.items())
    left_out = {("compile", "max-autotune"), ("compile", "regional"), ("tf32", "off"), ("grad_mode", "grad")}
    left_out |= {("compile", "regional-reduce-overhead"), ("attention", "flash"), ("attention", "flash3")}
    left_out |= {
        ("combo_kernels", "on"),
        ("attention", "sage"),
        ("cache", "lossy_first_block"),
        ("cache", "lossy_skip_steps"),
    }
    values = {(axis.name, value) for axis in AXES for value in axis.values[1:]}
    assert values - answers == left_out
    assert all(f"`{axis}={value}`" in (cures.__doc__ or "") for axis, value in left_out)


def test_every_cure_can_be_set() -> None:
    for cure in CURES:
        move(replace(EAGER, attention="sdpa", compile="default", dtype="bf16"), cure.settings)


def test_moves_that_change_nothing_or_go_back_are_none() -> None:
    assert moved(EAGER, {"attention": "unfused"}, H200) is None
    assert moved(EAGER, {"fused_qkv": "on"}, H200) is None, "it needs fused attention"
    assert moved(FASTEST, {"compile": "default"}, H200) is None
    assert moved(EAGER, {"compile": "reduce-overhead"}, Where("cpu")) is None


def test_what_helped_elsewhere_leads_to_fastest_and_on_a_cpu_compiles_last() -> None:
    axes = EAGER
    while (candidate := next(known_to_help(axes, H200), None)) is not None:
        axes = move(axes, candidate.settings)
    assert axes == FASTEST
    assert list(known_to_help(EAGER, Where("cpu")))[-1].settings == {"compile": "default"}


def test_a_trial_is_faster_only_where_the_middle_halves_lie_apart() -> None:
    base = Walls([[1.0, 1.02, 1.04, 1.06]])
    assert judge(base, Walls([[0.8, 0.82, 0.84, 0.86]])) is Verdict.FASTER
    assert judge(base, Walls([[0.8, 1.01, 1.02, 1.3]])) is Verdict.NOISE
    assert judge(base, Walls([[1.2, 1.2, 1.2]])) is Verdict.SLOWER
    assert Walls([[1.0, 2.0], [9.0]]).median == 2.0


@pytest.mark.parametrize(("trial", "expected"), [(0.8, False), (0.98, True), (1.1, False)])
def test_what_is_close_is_measured_again(trial: float, expected: bool) -> None:
    base = Walls([[1.0, 1.001, 1.002]])
    assert needs_more(base, Walls([[trial, trial, trial]]), is_old=False) is expected


@pytest.mark.parametrize(("trial", "expected"), [(0.85, False), (0.95, True), (1.05, True), (1.2, False)])
def test_against_an_old_base_more_is_close(trial: float, expected: bool) -> None:
    base = Walls([[1.0, 1.001, 1.002]])
    assert needs_more(base, Walls([[trial, trial, trial]]), is_old=True) is expected


def test_a_gain_inside_the_spread_is_measured_again() -> None:
    assert needs_more(Walls([[0.7, 1.0, 1.3]]), Walls([[0.75, 0.9, 1.2]]), is_old=False)
    base = Walls([[1.0, 1.02, 1.3, 1.3]])
    trial = Walls([[0.7, 0.7, 0.98, 0.99]])
    assert judge(base, trial) is Verdict.FASTER
    assert needs_more(base, trial, is_old=False), "half of the images vary by more than the gain"


def test_a_prediction_is_the_replay_where_there_is_one() -> None:
    saving = SimpleNamespace(from_us=100.0, to_us=60.0, low_us=50.0, high_us=75.0)
    assert predict(finding("x", saving=saving, saving_us=1.0), 90.0) == (60.0, 50.0, 75.0)
    assert predict(finding("x", saving_us=30.0, saving=None), 90.0) == (60.0, None, None)
    assert predict(finding("x", saving_us=120.0), 90.0) == (0.0, None, None)
    assert predict(finding("x"), 90.0) is None


def test_findings_followed_together_promise_nothing_twice() -> None:
    first = SimpleNamespace(from_us=100.0, to_us=80.0, low_us=75.0, high_us=90.0, step_us=20.0)
    second = SimpleNamespace(from_us=100.0, to_us=82.0, low_us=70.0, high_us=95.0, step_us=5.0)
    both = [finding("x", saving=first), finding("y"), finding("z", saving=second)]
    assert predict_together(both, 100.0) == (75.0, 45.0, 90.0)
    assert predict_together(both[:2], 100.0) == (80.0, 75.0, 90.0)
    assert predict_together(both[1:2], 100.0) is None
    assert predict_together([], 100.0) is None


def test_pictures_are_held_to_what_their_numbers_allow() -> None:
    picture = np.linspace(0, 1, 300, dtype=np.float32).reshape(3, 10, 10)
    assert psnr_db(picture, picture) == 200
    near = psnr_db(picture + np.float32(0.03), picture)
    assert near == pytest.approx(30.5, abs=0.1)
    assert is_same_picture(near, replace(EAGER, dtype="bf16"), "cuda")
    assert is_same_picture(near, EAGER, "cuda"), "convolutions are TF32 unless forbidden"
    assert not is_same_picture(near, EAGER, "cpu")
    assert not is_same_picture(psnr_db(picture * np.float32("nan"), picture), EAGER, "cuda")


class Simulated:
    """Runs whose walls are made up, with real facts and real analyses."""

    def __init__(self, wall: Callable[[Axes], float], device: str = "cuda:0", spread: float = 0.001) -> None:
        self.wall, self.device, self.spread = wall, device, spread
        self.repeats: list[str] = []
        self.axes: dict[Path, Axes] = {}
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def measure(self, name: str, point: Point) -> Measured:
        axes = Axes(**point)
        self.now += 60
        trace = Path("traces", f"{name}.json.gz")
        self.axes[trace] = axes
        facts = msgspec.convert(of(EAGER).report.run, RunFacts)
        walls = self.seconds(axes)
        facts = msgspec.structs.replace(facts, device=self.device, axes=axes, unprofiled_wall_s=walls)
        return Measured(facts, self.picture(axes), trace)

    def again(self, name: str, point: Point) -> list[float]:
        self.now += 60
        self.repeats.append(name)
        return self.seconds(Axes(**point))

    def study(self, trace: Path) -> sdtrace.Analysis:
        return of(self.axes[trace])

    def seconds(self, axes: Axes) -> list[float]:
        return [self.wall(axes) * (1 + self.spread * place) for place in (-1, 0, 1)]

    def picture(self, axes: Axes) -> Any:
        return np.full((3, 8, 8), 0.5 if axes.dtype == "fp32" else 0.51, np.float32)


def each_helps(axes: Axes) -> float:
    """Every setting of `fastest` takes a tenth off, and so does CUDA graphs beyond compile."""
    same = sum(getattr(axes, axis) == value for axis, value in cures._ON_A_GPU.items())
    return math.pow(0.9, same + axes.compiled)


def tuned(runs: Simulated, budget_s: float = math.inf, start: Axes = EAGER) -> Loop:
    begun = begin(runs, "fp32_eager", asdict(start), runs.clock)
    loop = Loop(runs, begun, lambda _: None, runs.clock, budget_s=budget_s)
    loop.run()
    return loop


def best(loop: Loop) -> Axes:
    return Axes(**loop.tuning.best.axes)


def outcomes(loop: Loop) -> dict[str, str]:
    return {trial.name: trial.outcome for trial in loop.tuning.trials}


def test_from_fp32_eager_it_finds_fastest() -> None:
    loop = tuned(Simulated(each_helps))
    assert best(loop) == FASTEST
    assert {trial.outcome for trial in loop.tuning.trials} == {"start", "kept"}
    assert [trial.findings for trial in loop.tuning.trials[1:3]] == [["host.launch_bound"], ["device.fusion"]]
    assert loop.tuning.ended == "nothing is left to try"
    assert best_options(loop.tuning).startswith("fastest_fp8 --model ")
    assert loop.analysis is of(FASTEST)


def test_start_and_best_are_measured_again_at_the_end() -> None:
    runs = Simulated(each_helps)
    loop = tuned(runs)
    assert runs.repeats == ["0-again", f"{loop.tuning.best.number}-again"]
    assert loop.tuning.start.measured is not None
    assert len(loop.tuning.start.measured.processes) == 2


class GpuFirst(VariantSpace):
    """What shortens GPU work is advised before what launches less."""

    def advised(self, findings: list[Any], point: Point, where: Where) -> Iterator[Candidate]:
        order = ("device.float32", "host.launch_bound")
        found = [one for one in findings if one.id in order]
        return super().advised(sorted(found, key=lambda one: order.index(one.id)), point, where)


def test_what_the_cpu_hid_is_tried_again_once_it_has_less_to_do() -> None:
    def wall(axes: Axes) -> float:
        on_gpu = 0.3 if axes.dtype == "bf16" else 0.9
        return max(0.2 if axes.cudagraphs else 1.0, on_gpu)

    runs = Simulated(wall)
    begun = begin(runs, "fp32_eager", asdict(EAGER), runs.clock)
    loop = Loop(runs, begun, lambda _: None, runs.clock, budget_s=math.inf, space=GpuFirst())
    loop.run()
    tried = [(trial.name, trial.outcome) for trial in loop.tuning.trials[1:4]]
    assert tried == [
        ("dtype=bf16", "within the noise"),
        ("compile=reduce-overhead", "kept"),
        ("dtype=bf16", "kept"),
    ]


def test_nothing_is_kept_within_the_noise_and_what_is_close_is_repeated() -> None:
    runs = Simulated(lambda axes: 1.0 if axes.attention == "unfused" else 0.99, "cpu", spread=0.05)
    loop = tuned(runs)
    assert set(outcomes(loop).values()) == {"start", "within the noise"}
    assert runs.repeats[:2] == ["0-again", "1-again"]
    assert loop.tuning.start.measured is not None
    assert len(loop.tuning.start.measured.processes) == len(runs.repeats) // 2 + 1


def test_a_gain_that_is_not_sure_is_measured_a_third_time() -> None:
    runs = Simulated(lambda axes: 1.0 if axes.attention == "unfused" else 0.9, "cpu", spread=0.2)
    trials = {trial.name: trial.number for trial in tuned(runs).tuning.trials}
    assert runs.repeats.count(f"{trials['attention=sdpa']}-again") == 2
    assert runs.repeats.count(f"{trials['dtype=bf16']}-again") == 1


def test_a_trial_that_fails_is_one_line_and_not_tried_again() -> None:
    class Failing(Simulated):
        def measure(self, name: str, point: Point) -> Measured:
            if point["dtype"] == "bf16":
                raise VariantFailed("out of GPU memory: much; lower --batch")
            return super().measure(name, point)

    loop = tuned(Failing(each_helps))
    failed = [trial for trial in loop.tuning.trials if trial.outcome == "failed"]
    assert [trial.name for trial in failed] == ["dtype=bf16"]
    assert line(failed[0]).endswith("failed: out of GPU memory: much; lower --batch")
    left = {"dtype": "fp32", "tf32": best(loop).tf32, "quantization": "none"}
    assert best(loop) == replace(FASTEST, **left)


def test_another_picture_is_not_kept_however_fast() -> None:
    class Wrong(Simulated):
        def picture(self, axes: Axes) -> Any:
            return np.zeros((3, 8, 8), np.float32) if axes.attention == "sdpa" else super().picture(axes)

    loop = tuned(Wrong(each_helps))
    assert outcomes(loop)["attention=sdpa"] == "other picture"
    assert best(loop).attention == "unfused"


def test_no_trial_begins_that_would_end_after_the_budget() -> None:
    runs = Simulated(each_helps)
    loop = tuned(runs, budget_s=125)
    assert len(loop.tuning.trials) == 2
    assert loop.tuning.ended == "the budget is used up"
    assert "`sdtrace tune --from fp32_eager --set compile=reduce-overhead --model " in markdown(loop.tuning)


def test_the_page_holds_every_trial_with_what_was_promised_and_measured() -> None:
    loop = tuned(Simulated(each_helps))
    page = markdown(loop.tuning)
    rows = [row for row in page.splitlines() if row.startswith("| ") and "`" in row]
    assert len(rows) == len(loop.tuning.trials)
    assert "| `compile=reduce-overhead` | host.launch_bound | 1,000.0 ± 0.5 | 5.4 to 11.5 |" in rows[1]
    assert "| 810.0 ± 0.4 |" in rows[1]
    back = msgspec.json.decode(msgspec.json.encode(loop.tuning), type=type(loop.tuning))
    assert markdown(back) == page


def test_a_range_is_shown_where_there_is_one() -> None:
    trial = Trial(
        1,
        "tf32=on",
        {},
        asdict(EAGER),
        ["device.float32"],
        "",
        "kept",
        predicted_us=5e4,
        low_us=4e4,
        high_us=6e4,
    )
    assert "40.0 to 60.0" in line(trial)


def test_settings_tried_at_once_stand_below_their_trial_within_80_columns() -> None:
    names = ("timesteps", "compile_vae", "memory_format", "group_norm", "compile_text_encoder", "fused_qkv")
    settings = dict.fromkeys(names, "on")
    trial = Trial(4, "all", settings, asdict(EAGER), ["host.sync", "device.fusion", "host.x"], "", "kept")
    first, *below = line(trial).splitlines()
    assert first.split() == ["4", "6", "settings", "at", "once", "host.sync", "kept"]
    assert all(len(each) <= 80 and each.startswith("   ") for each in below)
    said = " ".join(" ".join(below).split())
    assert said == f"{', '.join(f'{name}=on' for name in names)} advised by device.fusion, host.x too"


def test_the_documentation_names_every_setting_that_is_tried() -> None:
    page = (SHIPPED.parent / "docs" / "tune.md").read_text(encoding="utf-8")
    tried = {change for cure in CURES for change in cure.settings.items()} | set(cures._ON_A_CPU.items())
    assert [f"{axis}={value}" for axis, value in tried if f"`{axis}={value}`" not in page] == []

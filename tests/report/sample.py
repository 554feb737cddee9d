"""A report with the figures of a real cold run: Stable Diffusion 1.5, bfloat16, compiled inside the profile.

The times are those of one H200 trace; some names are as hostile as a trace from a stranger can make them.
"""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from sdtrace import model as m
from tests.report import sample_rows as rows


def cold() -> m.TraceReport:
    """The cold run: 82.25 s for the first image, of which all but a second is paid once."""
    return m.TraceReport(
        path="traces/bf16_sdpa.cold.json.gz",
        name="bf16_sdpa.cold",
        variant="bf16_sdpa",
        run={
            "model": "sd15",
            "steps": 4,
            "images": 3,
            "height": 512,
            "width": 512,
            "batch": 1,
            "dtype": "bfloat16",
            "torch": "2.11.0+cu130",
            "diffusers": "0.42.1",
            "note": rows.SCRIPT,
            "unprofiled_image_wall_s": [0.12080264699997656, 0.11826320900001974, 0.11533713000000034],
        },
        device={
            "id": 0,
            "name": "NVIDIA H200",
            "totalGlobalMem": 150_109_880_320,
            "numSms": 132,
            "computeMajor": 9,
        },
        events=m.Events(
            total=1_884_731,
            skipped=2,
            quarantined=1,
            salvaged=True,
            by_category={
                "cpu_op": 901_114,
                "user_annotation": 710_223,
                "cuda_runtime": 204_117,
                "kernel": 69_277,
            },
        ),
        wall_us=82_667_279.354,
        unprofiled_wall_us=118_263.209,
        op_times="true",
        selected_phase=None,
        gpu=m.Gpu(
            busy_us=2_124_801.337,
            idle_us=80_112_412.6,
            kernel_us=2_121_708.2,
            memcpy_us=2_016.111,
            memset_us=1_077.026,
            launches=69_211,
        ),
        idle=[
            m.IdleCause(cause="compile", us=69_702_113.2, gaps=118),
            m.IdleCause(cause="autotune host work", us=5_494_001.7, gaps=41_208),
            m.IdleCause(cause="launch-bound", us=3_310_404.1, gaps=9_113),
            m.IdleCause(cause="host stall, unexplained", us=1_402_220.0, gaps=4),
            m.IdleCause(cause="sync", us=203_673.6, gaps=77),
        ],
        phases=[
            m.Phase(phase="compile", wall_us=69_818_030.912, gpu_us=1_204.331, gpu_events=311),
            m.Phase(phase="autotune", wall_us=7_429_114.02, gpu_us=1_944_103.2, gpu_events=67_904),
            m.Phase(phase="capture", wall_us=0.0, gpu_us=0.0, gpu_events=0),
            m.Phase(phase="warmup", wall_us=5_005_156.714, gpu_us=91_620.49, gpu_events=601),
            m.Phase(phase="steady", wall_us=414_977.708, gpu_us=87_873.316, gpu_events=461),
        ],
        overhead=m.Overhead(
            compile_us=69_818_030.912,
            autotune_us=7_429_114.02,
            capture_us=0.0,
            warmup_us=5_005_156.714,
            total_us=82_252_301.646,
        ),
        steady=m.Steady(
            iterations=2,
            median_us=207_372.411,
            min_us=187_118.812,
            max_us=227_626.01,
            gpu_median_us=43_936.658,
            launches_median=653.0,
        ),
        compile=rows.compile_stages(),
        iterations=_iterations(),
        ops=rows.ops(),
        kernels=rows.kernels(),
        categories=rows.categories(),
        components=rows.components(),
        findings=_findings(),
        notes=[
            "Iterations: the outermost user annotation `model_inference` repeats 3 times (certain).",
            "Denoising steps: told from 4 repetitions of the compiled UNet region inside an image (likely).",
            "Warmup also holds 1.4 s in which no event explains why nothing was launched.",
        ],
    )


def eager() -> m.TraceReport:
    """The same pipeline in float32 without a compiler: nothing paid once but the first calls."""
    return replace(
        cold(),
        path="traces/fp32_eager.json.gz",
        name="fp32_eager",
        variant="fp32_eager",
        wall_us=3_630_827.283,
        unprofiled_wall_us=520_113.4,
        events=m.Events(
            total=331_204, by_category={"cpu_op": 240_118}, skipped=0, quarantined=0, salvaged=False
        ),
        gpu=replace(cold().gpu, busy_us=949_296.655, idle_us=2_210_334.1, launches=24_084),
        idle=[m.IdleCause(cause="launch-bound", us=2_210_334.1, gaps=20_117)],
        phases=[
            m.Phase(phase="warmup", wall_us=1_502_113.4, gpu_us=474_608.2, gpu_events=16_998),
            m.Phase(phase="steady", wall_us=2_128_713.883, gpu_us=474_688.455, gpu_events=16_998),
        ],
        overhead=m.Overhead(
            compile_us=0.0, autotune_us=0.0, capture_us=0.0, warmup_us=440_113.4, total_us=440_113.4
        ),
        steady=replace(
            _steady(), iterations=1, median_us=1_062_000.0, min_us=1_062_000.0, max_us=1_062_000.0
        ),
        compile=[],
        iterations=[
            _iteration(0, 0.0, 2_568_827.283, 474_608.2, "warmup"),
            _iteration(1, 2_568_827.283, 1_062_000.0, 474_688.455, "steady"),
        ],
        findings=[
            m.Finding(
                id="precision.fp32",
                severity="high",
                title="All matrix work runs in float32",
                evidence="8 `sgemm` kernels take 61 % of device time.",
                advice="Use bfloat16 or allow TF32.",
                saving_us=310_000.0,
                confidence="likely",
            )
        ],
        notes=[],
    )


def bare() -> m.TraceReport:
    """A trace without a device, iterations, phases or anything the collector writes."""
    return replace(
        cold(),
        path="cpu.json",
        name="cpu",
        variant=None,
        run={},
        device={},
        wall_us=12_345.678,
        unprofiled_wall_us=None,
        events=m.Events(total=40, by_category={"cpu_op": 40}, skipped=0, quarantined=0, salvaged=False),
        gpu=m.Gpu(busy_us=0.0, idle_us=0.0, kernel_us=0.0, memcpy_us=0.0, memset_us=0.0, launches=0),
        idle=[],
        phases=[],
        overhead=m.Overhead(compile_us=0.0, autotune_us=0.0, capture_us=0.0, warmup_us=0.0, total_us=0.0),
        steady=None,
        compile=[],
        iterations=[],
        ops=[row for row in rows.ops() if row.device_type == "cpu" and not row.device_total_us],
        kernels=[],
        categories=[],
        components=[],
        findings=[],
        notes=[],
    )


def light() -> m.SpeedOfLight:
    """A steady iteration of the cold run held against its card."""
    return m.SpeedOfLight(
        card="NVIDIA H200",
        peaks=m.Peaks(
            card="NVIDIA H200",
            source="measured",
            origin="measured when the trace was collected",
            flops_per_s={"bfloat16": 787e12, "float32": 51.7e12},
            memory_bytes_per_s=4.2e12,
        ),
        iteration=1,
        wall_us=118_263.209,
        image_us=21_686.246,
        best_dtype="bfloat16",
        best_dtype_us=21_596.651,
        components=[],
        waterfall=[
            m.WaterfallPart(part="roofline", name="unet", us=21_686.246),
            m.WaterfallPart(part="lost", name="gemm", us=66_187.07),
            m.WaterfallPart(part="idle", name="launch_bound", us=30_389.893),
        ],
        in_graphs=0,
        unnamed_in_graphs=0,
    )


def report(*traces: m.TraceReport, comparison: m.Comparison | None = None) -> m.Report:
    """A report of `traces`, or of the cold one."""
    return m.Report(schema=m.SCHEMA, version="0.1.0", traces=list(traces) or [cold()], comparison=comparison)


def compared() -> m.Report:
    """Eager against compiled, with the arithmetic of breaking even."""
    row = m.Amortization(
        name="bf16_sdpa.cold",
        steady_us=118_263.209,
        overhead_us=82_252_301.646,
        speedup=4.398,
        saving_per_iteration_us=401_850.191,
        break_even_iterations=205,
        arithmetic="82.25 s paid once / (0.520 s - 0.118 s saved per image) = 204.7, so from image 205 on",
    )
    return report(eager(), cold(), comparison=m.Comparison(baseline="fp32_eager", rows=[row]))


def large(ops: int = 800, kernels: int = 600) -> m.TraceReport:
    """As many rows as the biggest traces have, their names long and different, their times random."""
    chance = Random(1)
    op, kernel = rows.ops()[0], rows.kernels()[0]
    return replace(
        cold(),
        ops=[
            replace(
                op,
                name=f"{_long_name(chance, index)}(at::TensorBase const&)",
                calls=chance.randrange(1, 100_000),
                self_cpu_us=round(chance.expovariate(1e-3), 3),
                cpu_total_us=round(chance.expovariate(1e-4), 3),
                self_device_us=round(chance.expovariate(1e-3), 3),
                device_total_us=round(chance.expovariate(1e-4), 3),
            )
            for index in range(ops)
        ],
        kernels=[
            replace(
                kernel,
                name=f"{_long_name(chance, index)}(long)",
                short_name=f"kernel_{index}",
                calls=chance.randrange(1, 100_000),
                total_us=round(chance.expovariate(1e-4), 3),
                mean_us=round(chance.expovariate(1e-2), 3),
            )
            for index in range(kernels)
        ],
    )


def _long_name(chance: Random, index: int) -> str:
    types = ", ".join(chance.choice(["float", "at::Half", "c10::BFloat16", "long"]) for _ in range(30))
    return f"void at::native::kernel_{index}<{types}, {chance.randrange(10**9)}>"


def _steady() -> m.Steady:
    steady = cold().steady
    assert steady is not None
    return steady


def _iterations() -> list[m.Iteration]:
    first = _iteration(0, 12.004, 82_252_301.646, 2_036_928.021, "compile")
    note = "compiles 2 graphs (69.8 s) and autotunes 206 kernels (7.43 s)"
    return [
        replace(first, note=note, gpu_events=68_816, launches=67_905),
        _iteration(1, 82_252_410.2, 187_118.812, 43_902.101, "steady"),
        _iteration(2, 82_439_601.3, 227_626.01, 43_971.215, "steady"),
    ]


def _iteration(index: int, start_us: float, wall_us: float, gpu_us: float, phase: str) -> m.Iteration:
    return m.Iteration(
        name="model_inference",
        index=index,
        start_us=start_us,
        wall_us=wall_us,
        gpu_us=gpu_us,
        gpu_busy_us=gpu_us,
        gpu_events=1_021,
        launches=653,
        phase=phase,
        steps=4,
        note="",
    )


def _findings() -> list[m.Finding]:
    return [
        m.Finding(
            id="compile.cold",
            severity="high",
            title="94 % of the first image is torch.compile",
            evidence="`_compile.compile_inner` 69.8 s and `benchmark_all_configs` 7.43 s of 82.25 s.",
            advice="Keep `TORCHINDUCTOR_CACHE_DIR` between runs, or compile regionally.",
            saving_us=62_400_000.0,
            confidence="certain",
        ),
        m.Finding(
            id="autotune.flush",
            severity="high",
            title="Autotuning spends most of its device time flushing the L2 cache",
            evidence="65,204 fills of a 256 MiB buffer take 1.24 s of the 1.94 s.",
            advice="Limit `max_autotune` to the GEMMs that matter, or ship the autotune cache.",
            saving_us=7_400_000.0,
            confidence="certain",
        ),
        m.Finding(
            id="steady.launch-bound",
            severity="medium",
            title="Steady images are launch-bound: the GPU waits for the host 79 % of the time",
            evidence="653 launches an image, queue empty before 611 of them. Kernel " + rows.SCRIPT,
            advice="Capture CUDA graphs: `torch.compile(mode='reduce-overhead')`.",
            saving_us=71_000.0,
            confidence="likely",
        ),
        m.Finding(
            id="trace.quarantined",
            severity="info",
            title="1 event has an impossible duration",
            evidence=f"Kernel {rows.PIPE} claims 4.1 days.",
            advice="It is left out of every sum.",
            saving_us=None,
            confidence="certain",
        ),
    ]

"""What Inductor's kernels touch, by their sources, recorded on an H100 (torch 2.11).

The oracle for addresses is Python: a source runs as it stands, all of its points in one program, with numpy
in the place of Triton. What is fetched again is held against counters in `tests/roofline/test_fused.py`.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
from collections import defaultdict
from math import prod
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from sdtrace_collector.kernel_access import access_of, access_of_sources
from sdtrace_collector.kernel_source import KernelSource, Points, parse_kernel

DATA = Path(__file__).parents[1] / "roofline" / "data"
SECTOR = 32


def sources() -> dict[str, str]:
    with gzip.open(DATA / "inductor-sources.json.gz") as stream:
        found: dict[str, str] = json.load(stream)
    return found


@pytest.fixture(scope="module")
def kernels() -> dict[str, KernelSource]:
    parsed = {key: parse_kernel(text) for key, text in sources().items()}
    return {key: kernel for key, kernel in parsed.items() if kernel is not None}


class Pointer:
    """The address of an argument: what is added to it are elements."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __add__(self, index: Any) -> tuple[str, Any]:
        return self.name, index


class Anything:
    """Stands for each value that is no address, whatever is done with it."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __iter__(self) -> Any:
        return iter([self, self, self])


for _name in (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "neg", "getitem", "gt", "lt", "ge"),
    *("and", "rand", "or", "eq", "ne", "le", "invert"),
):
    setattr(Anything, f"__{_name}__", lambda self, *_: self)


class Language:
    """`tl`, for one program with all points: notes what is loaded and stored."""

    constexpr = float32 = float16 = bfloat16 = int1 = int32 = int64 = None

    def __init__(self) -> None:
        self.touched: dict[str, list[np.ndarray[Any, Any]]] = defaultdict(list)

    def program_id(self, _: int) -> int:
        return 0

    def num_programs(self, _: int) -> int:
        return 1

    def arange(self, first: int, last: int) -> Any:
        return np.arange(first, last).view(Array)

    def full(self, shape: Any, value: Any, _: Any = None) -> Any:
        if isinstance(shape, Anything) or isinstance(value, Anything):
            return Anything()
        return np.full(shape, value).view(Array)

    def range(self, *bounds: int) -> Any:
        return range(*bounds)

    def load(self, where: tuple[str, Any], mask: Any = None, **_: Any) -> Any:
        self._note(*where, mask)
        return Anything()

    def store(self, where: tuple[str, Any], _: Any, mask: Any = None, **__: Any) -> None:
        self._note(*where, mask)

    def _note(self, name: str, index: Any, mask: Any) -> None:
        index, used = np.broadcast_arrays(index, True if mask is None else mask)
        self.touched[name].append(np.asarray(index)[np.asarray(used, np.bool_)].ravel())

    def broadcast_to(self, value: Any, shape: list[int]) -> Any:
        return value if isinstance(value, Anything) else np.broadcast_to(value, shape)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        values = condition, yes, no
        return Anything() if any(isinstance(v, Anything) for v in values) else np.where(*values).view(Array)

    def __getattr__(self, name: str) -> Any:
        return Anything()


class Array(np.ndarray[Any, Any]):
    """An array with Triton's way to change its type."""

    def to(self, _: Any) -> Any:
        return self


def run(source: str, kernel: KernelSource) -> dict[str, np.ndarray[Any, Any]]:
    """The elements that each argument is used for, as often as they are."""
    node = next(
        n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name.startswith("triton_")
    )
    node.decorator_list = []
    for argument in node.args.args:
        argument.annotation = None
    language = Language()
    names: dict[str, Any] = {"tl": language, "triton_helpers": Anything(), "libdevice": Anything()}
    names["tl_math"] = Anything()
    module = ast.fix_missing_locations(ast.Module([node], []))
    exec(compile(module, "kernel", "exec"), names)
    blocks = {"XBLOCK": kernel.axes.x, "YBLOCK": kernel.axes.y, "R0_BLOCK": kernel.axes.r}
    given = [Pointer(a.arg) if a.arg in kernel.pointers else blocks.get(a.arg, 0) for a in node.args.args]
    names[node.name](*given)
    return {name: np.concatenate(found) for name, found in language.touched.items()}


def test_every_kernel_but_templates_is_understood(kernels: dict[str, KernelSource]) -> None:
    others = {key: text for key, text in sources().items() if key not in kernels}
    assert all("def triton_tem_" in text for text in others.values())
    assert len(kernels) > 80
    points = Points(*(np.array([0, size // 2, size - 1]) for size in next(iter(kernels.values())).axes))
    for key, kernel in kernels.items():
        assert {touch.pointer for touch in kernel.touches(points)} == set(kernel.pointers), key
        assert all(touch.address is not None for touch in kernel.touches(points)), key


def test_memory_that_small_kernels_touch_is_what_they_touch_when_run(
    kernels: dict[str, KernelSource],
) -> None:
    """Each point is followed; sectors of 32 bytes count once, holes between them do not."""
    texts = sources()
    small = {key: kernel for key, kernel in kernels.items() if prod(kernel.axes) <= 200_000}
    assert len(small) > 30
    for key, kernel in small.items():
        elements = run(texts[key], kernel)
        expected = [
            len(np.unique(elements[name] * kernel.item_sizes[name] // SECTOR)) * SECTOR
            for name in kernel.pointers
        ]
        assert access_of(kernel).touched == pytest.approx(expected, rel=0.03, abs=SECTOR), texts[key]


def test_recorded_facts_are_those_of_the_sources(kernels: dict[str, KernelSource]) -> None:
    """The traces beside hold what these functions say: of kernels that come back to memory, above all."""
    facts: dict[str, Any] = {}
    for name in ("h200-compiled", "h100-batch", "h100-transformer"):
        with gzip.open(DATA / f"{name}.json.gz") as stream:
            facts |= json.load(stream)["sdtrace"]["triton_access"]
    again = [key for key in kernels if facts[key]["again"]]
    assert len(again) > 20
    for key in sorted(again)[::3]:
        found = access_of(kernels[key])
        assert found.touched == facts[key]["touched"]
        assert [list(pair) for pair in found.again] == facts[key]["again"]


SWEEPS = """
import triton
@triton_heuristics.reduction(triton_meta={{'signature': {{'in_ptr0': '*fp32', 'out_ptr0': '*fp32'}}}})
@triton.jit
def triton_red_fused_0(in_ptr0, out_ptr0, xnumel, r0_numel, XBLOCK : tl.constexpr, R0_BLOCK : tl.constexpr):
    xnumel = {x}
    r0_numel = 4096
    xoffset = tl.program_id(0) * XBLOCK
    xindex = xoffset + tl.arange(0, XBLOCK)[:, None]
    x0 = xindex
    for r0_offset in tl.range(0, r0_numel, R0_BLOCK):
        r0_1 = r0_index
        tmp0 = tl.load(in_ptr0 + ({index}), None)
    tl.store(out_ptr0 + (x0), tmp0, None)
"""


@pytest.mark.parametrize(
    ("x", "index", "memory", "again"),
    [
        (4096, "r0_1 + 4096*x0", 4096 * 4096 * 4, 0),
        (4096, "r0_1 + 65536*x0", 4096 * 4096 * 4, 0),
        (4096, "r0_1 + 4096*(x0 % 1024)", 1024 * 4096 * 4, 3),
        (8192, "r0_1 + 4096*(x0 // 2)", 4096 * 4096 * 4, 0),
        (4096, "r0_1", 4096 * 4, 0),
        (8192, "8*r0_1 + 32768*(x0 % 1024) + x0 // 1024", 1024 * 4096 * 32, 7),
    ],
)
def test_what_is_read_again_and_after_how_much_else(x: int, index: str, memory: int, again: int) -> None:
    """Sweeps over the same memory come back after all of it; neighbors that share it do not."""
    kernel = parse_kernel(SWEEPS.format(x=x, index=index))
    assert kernel is not None
    found = access_of(kernel)
    assert found.touched == pytest.approx([memory, x * 4], rel=0.02)
    assert sum(size for _, size in found.again) < 1.05 * again * memory + 1
    late = sum(size for after, size in found.again if 0.8 * memory < after < 1.2 * memory)
    assert late >= 0.95 * again * memory


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def triton_(:",
        "x = 1",
        "def triton_poi_fused_0(in_ptr0, xnumel):\n    tl.load(in_ptr0 + (xindex), xmask)\n",
        "def triton_poi_fused_0(in_ptr0, xnumel):\n    xnumel = 0\n",
        SWEEPS.format(x="ks0", index="x0"),
        SWEEPS.format(x=8, index="x0").replace("x0 = xindex", "rsplit_id = 1"),
    ],
)
def test_what_is_no_kernel_of_constant_sizes_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "ca.py").write_text(text)
    assert access_of_sources([tmp_path / "ca.py"]) == {}


def test_damaged_sources_cost_nothing() -> None:
    """Lines that are missing or have other numbers: what is found may differ, nothing is raised."""
    random = Random(3)
    texts = sorted(sources().values())
    for _ in range(60):
        lines = random.choice(texts).splitlines()
        for _ in range(3):
            place = random.randrange(len(lines))
            number = random.choice(["0", "-3", "99999999999999999999", "1.5", "None", "'x'", "(1, x0)"])
            lines[place] = random.choice(["", re.sub(r"\b\d+\b", number, lines[place])])
        kernel = parse_kernel("\n".join(lines))
        if kernel is not None:
            access_of(kernel)


def test_a_look_up_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "ca.py").write_text(SWEEPS.format(x=64, index="tmp0 + x0"))
    assert access_of_sources([tmp_path / "ca.py"])["ca"].touched == [None, 64 * 4]

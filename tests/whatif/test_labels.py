"""Which calls and pieces of real iterations are what."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdtrace.analysis.study import Study, study_trace
from sdtrace.breakdowns.rules import load_rules
from sdtrace.trace import load_trace
from sdtrace.whatif.labels import Labels
from sdtrace.whatif.plan import plan_of
from tests.analysis.reference import studied

DATA = Path(__file__).parent / "data"


def labels_of(study: Study) -> Labels:
    """Of the fastest steady iteration."""
    row = min(study.steady, key=lambda row: row.wall_ns)
    plan = plan_of(study.linked, row.start_ns, row.start_ns + row.host_wall_ns)
    assert plan is not None
    return Labels(
        study.linked,
        plan,
        (row.start_ns, row.start_ns + row.host_wall_ns),
        study.structure.components,
        study.categorized,
    )


def test_linear_layers_are_no_attention() -> None:
    labels = labels_of(studied("reference/fp32_eager"))
    work = labels.plan.pieces.work
    op = labels.linked.work.op[work]
    names = np.array([labels.linked.trace.names[code] for code in labels.linked.host.name])
    assert "aten::addmm" in names[op]
    assert set(names[op[labels.unfused_attention]]) == {"aten::_softmax", "aten::baddbmm", "aten::bmm"}


def test_calls_of_compiled_code_are_groups() -> None:
    labels = labels_of(study_trace(load_trace(DATA / "flux.compile.json.gz"), load_rules(None)))
    regions = labels.compiled_regions()
    # One call of the transformer in each of four steps, around it the scheduler and the decoder.
    assert len(np.unique(regions[regions >= 0])) == 4
    assert 0.5 < np.mean(regions >= 0) < 1
    assert np.all(np.diff(regions[regions >= 0]) >= 0)

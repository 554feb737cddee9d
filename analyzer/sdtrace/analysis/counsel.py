"""Advice with what it brings: the image without the profiler, and each change replayed on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from sdtrace.analysis.conclusions import draw_conclusions
from sdtrace.analysis.remedies import Remedy, remedies
from sdtrace.analysis.speed_of_light import WorkStudy
from sdtrace.analysis.study import Study
from sdtrace.breakdowns.iterations import IterationRow
from sdtrace.findings import Finding
from sdtrace.findings.finding import SEVERITIES, lower, severity_of
from sdtrace.intervals import total
from sdtrace.phases.timeline import STEADY
from sdtrace.structure.component_names import DENOISERS
from sdtrace.whatif.image import Image, image_of
from sdtrace.whatif.labels import Labels
from sdtrace.whatif.replay import replay
from sdtrace.whatif.savings import per_image, saving

_UNLIKE: Final = (
    "replayed, an {noun} does not take as long as it did: {noun}s lie one in the other, or work waits "
    "for something that the file does not show"
)
_TRIES: Final = 4
"""Iterations to replay, at most, until one takes as long as it did."""
_ALIKE: Final = 1.05
"""How many times as long as the fastest iteration one may have taken to stand for it."""
_NEAR: Final = 0.25
"""How far from the mean iteration, of its wall, one may be to stand for it."""
_BATCH: Final = "host.batch"
_ABOUT: Final = ("trace.", "overhead.")
_SAME_WORK: Final = (
    frozenset({"device.float32", "device.tf32"}),
    frozenset({"device.float32", "device.slow_attention"}),
    frozenset({"device.unfused_attention", "device.slow_attention"}),
    frozenset({"device.norm", "device.few_blocks"}),
    frozenset({"device.fusion", "device.few_blocks"}),
    frozenset({"device.fusion", "device.norm"}),
)
"""Findings whose remedies change the same work: once one is done, the other brings nothing of its own."""
_ONCE: Final = "overhead."
"""Findings about one-time cost: they save nothing of a steady iteration."""


def by_wall(study: Study) -> list[IterationRow]:
    """The steady iterations, the fastest first.

    Where there are others, those are left out that the host began while the device still did what was
    launched before the profile.
    """
    launches, end_ns = study.structure.launches, study.trace.end_ns[study.linked.work.row]
    until = int(end_ns[launches.called_ns < 0].max(initial=0))
    rows = [row for row in study.steady if row.start_ns >= until] or study.steady
    return sorted(rows, key=lambda row: row.wall_ns)


def _alike(study: Study) -> list[IterationRow]:
    """Steady iterations that can stand for all, the best first."""
    rows, mean_ns = by_wall(study), study.steady_wall_ns
    if study.is_uneven and mean_ns is not None:
        rows.sort(key=lambda row: abs(row.wall_ns - mean_ns))
        return [row for row in rows[:_TRIES] if abs(row.wall_ns - mean_ns) <= _NEAR * mean_ns]
    return [row for row in rows[:_TRIES] if row.wall_ns <= _ALIKE * rows[0].wall_ns]


@dataclass(frozen=True)
class Counsel:
    """What to change in a trace's program, and what that brings."""

    work: WorkStudy

    @cached_property
    def image(self) -> Image | None:
        """The fastest steady iteration that can be replayed, without the profiler; None without one.

        One that took much longer than the fastest says nothing of it. Of uneven iterations it is the one
        nearest to the mean.
        """
        if self._why_not:
            return None
        images = (self._image_of(row) for row in _alike(self.work.study))
        return next((image for image in images if image is not None), None)

    def _image_of(self, row: IterationRow) -> Image | None:
        study = self.work.study
        span = row.start_ns, row.start_ns + row.host_wall_ns
        return image_of(study.linked, span, row.wall_ns, study.run.unprofiled_walls_ns)

    @property
    def _why_not(self) -> str:
        """Why an iteration cannot be replayed; '' where nothing forbids it."""
        study = self.work.study
        if not study.holds_all_work:
            return "some GPU work, or the calls that launched it, is missing from the file"
        if not study.has_possible_times:
            return "GPU work lies at times that cannot be"
        launch = study.linked.work.launch
        working = np.unique(study.trace.process_of(launch[launch >= 0]))
        if np.count_nonzero(working >= 0) > 1:
            return "several processes launch work in it and wait for each other: analyze a file of each"
        return ""

    @cached_property
    def findings(self) -> list[Finding]:
        """All findings, each with what it brings, in the order in which a plan takes them."""
        wall = None if self.image is None else self.image.wall
        unlike = (
            ""
            if wall or not self.work.study.idle.devices
            else self._why_not or _UNLIKE.format(noun=self.work.study.noun)
        )
        found = draw_conclusions(self.work, wall, unlike)
        limit = self._limit_ns
        if self.image is None:
            limited = [_limited(finding, limit) for finding in found]
            return [_graded(finding, limit, None) for finding in limited]
        known = self._remedies(self.image, found)
        weighed = [
            _weighed(self.image, finding, known[finding.id])
            if finding.id in known
            else _limited(finding, limit)
            for finding in found
        ]
        weighed = [_batched(self.image, finding) if finding.id == _BATCH else finding for finding in weighed]
        stepped = _in_steps(self.image, sorted(weighed, key=_worth), known)
        first = next((row for row in stepped if row.saving is not None and row.id != _BATCH), None)
        return [_graded(finding, limit, first) for finding in stepped]

    def _remedies(self, image: Image, found: list[Finding]) -> dict[str, Remedy]:
        study = self.work.study
        labels = Labels(study.linked, image.usual, image.span, study.structure.components, study.categorized)
        return remedies(self.work, labels, found)

    @property
    def _limit_ns(self) -> int | None:
        """No finding saves more of an iteration than there is of it; where none is steady, of all that is."""
        study = self.work.study
        walls = (study.steady_wall_ns, study.run.unprofiled_wall_ns)
        whole = total(study.phases.timeline.of(STEADY)) or None
        return min((wall for wall in walls if wall is not None), default=whole)


def _batched(image: Image, finding: Finding) -> Finding:
    """With what an image of two takes: told, but no step of a plan, for one image gets no faster."""
    brings = per_image(image, 2)
    return finding._replace(saving=brings, saving_ns=max(0, brings.from_ns - brings.to_ns))


def _limited(finding: Finding, limit_ns: int | None) -> Finding:
    if finding.saving_ns is None or limit_ns is None or finding.id.startswith(_ONCE):
        return finding
    return finding._replace(saving_ns=min(finding.saving_ns, limit_ns))


def _weighed(image: Image, finding: Finding, remedy: Remedy) -> Finding:
    """The finding with the saving of its remedy."""
    brings = saving(image, remedy.change, remedy.basis, left=remedy.left)
    return finding._replace(saving=brings, saving_ns=brings.from_ns - brings.to_ns)


def _worth(finding: Finding) -> tuple[int, int]:
    """The order of a plan: what is replayed by what it saves; all else by severity, behind."""
    if finding.saving is not None:
        return 0, -(finding.saving_ns or 0)
    return 1 + SEVERITIES.index(finding.severity), -(finding.saving_ns or 0)


def _graded(finding: Finding, wall_ns: int | None, first: Finding | None) -> Finding:
    """With a severity by the share of the iteration that it saves, alone or after those before it.

    What is worth more only after others is no more severe than `first`, the one that saves most.
    What no replay tells saves at most `saving_ns`: it may be less severe than the evidence alone says.
    """
    if finding.id == _BATCH:
        return finding
    if finding.saving is not None:
        whole = max(1, finding.saving.from_ns)
        severity = severity_of(max(finding.saving_ns or 0, finding.saving.step_ns) / whole)
        if first is not None:
            severity = lower(severity, severity_of((first.saving_ns or 0) / whole))
        return finding._replace(severity=severity)
    if finding.saving_ns is None or not wall_ns or finding.id.startswith(_ABOUT):
        return finding
    share = finding.saving_ns / wall_ns
    return finding._replace(severity=lower(finding.severity, severity_of(share)))


def _is_same_work(finding: Finding, other: Finding) -> bool:
    if {finding.id, other.id} == {"device.fusion", "host.launch_bound"}:
        # Launching less compiles the denoiser too, or all there is.
        fused = finding if finding.id == "device.fusion" else other
        return all(row.key in DENOISERS for row in fused.evidence_rows)
    return {finding.id, other.id} in _SAME_WORK


def _in_steps(image: Image, findings: list[Finding], known: dict[str, Remedy]) -> list[Finding]:
    """What each remedy brings after those before it; nothing where one of them changes the same work."""
    plan, wall = image.usual, image.wall.mid_ns
    result: list[Finding] = []
    done: list[Finding] = []
    for finding in findings:
        if (
            finding.saving is None
            or finding.id == _BATCH
            or any(_is_same_work(finding, other) for other in done)
        ):
            result.append(finding)
            continue
        done.append(finding)
        plan = known[finding.id].change(plan, "middle")
        after = min(wall, max(replay(plan, alone=image.alone), image.least_ns(plan)))
        result.append(finding._replace(saving=finding.saving._replace(step_ns=wall - after)))
        wall = after
    return result

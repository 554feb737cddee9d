"""Which of the candidates the iterations are: all evidence is weighed, and the runner-up kept."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import numpy as np

from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Int64s, Intervals
from sdtrace.structure.candidates import Candidate, Kind, OpSequence, places_in, wall
from sdtrace.structure.component_names import GROUP_NORM
from sdtrace.structure.components import Components
from sdtrace.structure.denoiser_calls import (
    Calls,
    are_parts,
    compiled_calls,
    graph_launches,
    marked_calls,
    step_marks,
)
from sdtrace.structure.images import Pipeline, find_pipeline, images_by_decodes, images_of_calls
from sdtrace.structure.iterations import Confidence, Iterations
from sdtrace.structure.loops import loops, may_be_loop
from sdtrace.structure.marks import annotated_spans, profiler_steps
from sdtrace.structure.periods import period, repeat_runs, repeated_calls
from sdtrace.structure.plain_calls import calls_as_iterations
from sdtrace.structure.training import is_training, training_steps
from sdtrace.structure.work import Work

_TRUST: Final[dict[Kind, float]] = {
    "profiler_step": 1.0,
    "training_step": 0.85,
    "annotation": 0.8,
    "marked_image": 0.78,
    "step_marks": 0.75,
    "annotation_cycle": 0.7,
    "decoded_image": 0.66,
    "call_runs": 0.55,
    "compiled_calls": 0.45,
    "graph_launches": 0.45,
    "loop_marks": 0.42,
    "period": 0.4,
    "repeat_runs": 0.3,
}
"""How far a kind of evidence is to be trusted, all else being equal."""
_LONE: Final = 0.6
"""What is left of the trust in a single span."""
_INNER: Final = 0.5
"""What is left of it for spans that lie several in each span of another, better candidate."""
_LOOPED: Final = 0.4
"""What is left of it for a loop over another candidate."""
_AGREED: Final = 0.1
_UNEVEN: Final = 1.5
"""How many times the median work of a span another one may have to pass for the same."""
_WILD: Final = 10.0
_EVEN: Final = 0.7
"""Share of spans that must take about as long as the median one; others may be turns of something larger."""
_STAGE: Final = 0.97
"""Share of the work of a turn below which an annotation in it is a stage of it."""
_WHOLES: Final = ("annotation_cycle", "decoded_image", "marked_image")
_ELSEWHERE: Final = 0.2
_MATTERS: Final = 0.15
"""Score below which a candidate is no runner-up."""
_PLURAL: Final = re.compile(r"\b(step|span|call|image|run|turn|repeat|launch)e?s\b")
_LOWER: Final[dict[Confidence, Confidence]] = {"certain": "likely", "likely": "guess", "guess": "guess"}
_HIGHER: Final[dict[Confidence, Confidence]] = {"guess": "likely", "likely": "certain", "certain": "certain"}


def find_iterations(
    linked: LinkedTrace,
    ops: OpSequence,
    marked: Components,
    timed: Calls | None,
    work: Work,
    overhead: Intervals,
) -> Iterations:
    """The iterations by all evidence; always at least one: the whole trace where nothing repeats.

    `ops` are those of the busiest thread, `marked` the components that the trace names, `timed` calls that
    embed a time step. `work` is what the host asked for outside `overhead`, which is when anything compiled
    or tuned.
    """
    candidates = _candidates(linked, ops, marked, timed, work, overhead)
    if not candidates:
        return _whole_trace(linked)
    judged = [_cut_off(candidate, work) for candidate in candidates]
    scores = _scores(judged, work)
    best = int(np.argmax(scores))
    others = [
        (scores[place], judged[place])
        for place in range(len(judged))
        if place != best and not _agree(judged[place], judged[best])
    ]
    is_loop = may_be_loop(judged[best], _of_turns(judged, is_training(linked)), work)
    runner_up = _runner_up(others) or _only_image(judged[best], timed)
    return _iterations(judged[best], _confidence(best, judged, work, is_loop), runner_up)


def _candidates(
    linked: LinkedTrace,
    ops: OpSequence,
    marked: Components,
    timed: Calls | None,
    work: Work,
    overhead: Intervals,
) -> list[Candidate]:
    """All that iterations may be."""
    thread = ops.thread
    pipeline = find_pipeline(linked, ops, marked, timed, work, overhead)
    is_diffusion = _is_diffusion(linked, marked, timed, pipeline)
    found: list[Candidate | None] = [profiler_steps(linked), training_steps(linked)]
    found += annotated_spans(linked, work, is_diffusion=is_diffusion)
    found += _images(linked, marked, timed, pipeline, is_diffusion)
    for calls in (*compiled_calls(linked, thread, work), *graph_launches(linked, thread)):
        found.append(calls_as_iterations(calls))
    if not any(found):
        found.append(repeat_runs(linked, ops))
    found.append(period(linked, ops))
    return [candidate for candidate in found if candidate is not None and len(candidate)]


def _is_diffusion(linked: LinkedTrace, marked: Components, timed: Calls | None, pipeline: Pipeline) -> bool:
    """Whether anything speaks of diffusion: components, a decoder, time steps, group normalization."""
    if len(marked.only(["unet", "transformer", "vae"])):
        return True
    if pipeline.decodes.start.size or timed is not None:
        return True
    return any(GROUP_NORM.search(name) for name in linked.trace.names)


def _images(
    linked: LinkedTrace, marked: Components, timed: Calls | None, pipeline: Pipeline, is_diffusion: bool
) -> list[Candidate | None]:
    """Images by what is known of the denoiser's calls: the surest source that tells images apart."""
    for calls in (marked_calls(marked), step_marks(linked, is_diffusion=is_diffusion)):
        if calls is not None:
            images = images_of_calls(pipeline, calls)
            if images is not None:
                return [images]
            if calls.kind == "step_marks":
                return [images_by_decodes(pipeline), _loops(linked, calls)]
    thread = pipeline.ops.thread
    unnamed = (*compiled_calls(linked, thread, pipeline.work), *graph_launches(linked, thread))
    if is_diffusion:
        unnamed = tuple(
            calls for calls in unnamed if not are_parts(linked, pipeline.ops, calls, pipeline.decodes)
        )
    grouped = (images_of_calls(pipeline, calls, is_diffusion) for calls in unnamed if len(calls) > 1)
    repeated = timed or (repeated_calls(linked, pipeline.ops) if is_diffusion else None)
    return [
        next((images for images in grouped if images is not None), None),
        images_by_decodes(pipeline) or (images_of_calls(pipeline, repeated) if repeated else None),
    ]


def _loops(linked: LinkedTrace, calls: Calls) -> Candidate | None:
    """Marks that may be of the loop over the steps, which runs once an image; a marked step is none."""
    if step_marks(linked, is_diffusion=False) is not None:
        return None
    loops = calls_as_iterations(calls)
    return replace(loops, kind="loop_marks", confidence="guess") if loops else None


def _whole_trace(linked: LinkedTrace) -> Iterations:
    start, end = wall(linked)
    how = "Nothing repeats: the whole trace counts as one iteration."
    label = [linked.trace.label]
    return Iterations(label, np.array([start]), np.array([end]), how, "guess", np.ones(1, np.bool_))


def _iterations(candidate: Candidate, confidence: Confidence, runner_up: str) -> Iterations:
    return Iterations(
        candidate.names,
        candidate.start_ns,
        candidate.end_ns,
        candidate.how,
        confidence,
        candidate.is_whole,
        runner_up,
    )


def _cut_off(candidate: Candidate, work: Work) -> Candidate:
    """With the first and the last span not whole when they hold no work and the others do."""
    spent = work.between(candidate.start_ns, candidate.end_ns)
    is_whole = candidate.is_whole.copy()
    if len(spent) > 1 and np.median(spent) > 0:
        is_whole[[0, -1]] &= spent[[0, -1]] > 0
    return replace(candidate, is_whole=is_whole)


def _scores(candidates: list[Candidate], work: Work) -> list[float]:
    """How good each candidate is: its kind, how much work it covers, how even it is, who surely agrees."""
    total = max(1, work.total_ns)
    scores = []
    for candidate in candidates:
        spent = work.between(candidate.start_ns, candidate.end_ns)
        cover = float(spent.sum()) / total
        score = (
            _TRUST[candidate.kind] * (0.3 + 0.7 * cover) * (0.6 + 0.4 * _evenness(spent[candidate.is_whole]))
        )
        scores.append(score * (_LONE if len(candidate) == 1 else 1.0))
    firm = [one for one in candidates if one.confidence != "guess"]
    agreed = [
        score
        + _AGREED
        * (one.confidence != "guess" and any(_agree(one, other) for other in firm if other.kind != one.kind))
        for score, one in zip(scores, candidates, strict=True)
    ]
    is_loop = loops(candidates, work)
    wholes = [one for one, is_one in zip(candidates, is_loop, strict=True) if not is_one]
    is_part = [any(_is_part(one, other, work) for other in wholes) for one in candidates]
    left = np.where(is_loop, _LOOPED, np.where(is_part, _INNER, 1.0))
    return [score * float(share) for score, share in zip(agreed, left, strict=True)]


def _is_part(inner: Candidate, outer: Candidate, work: Work) -> bool:
    """Whether spans lie several in each span of a better candidate, or are one stage of each."""
    return _is_inside(inner, outer) or _is_stage(inner, outer, work)


def _is_stage(inner: Candidate, outer: Candidate, work: Work) -> bool:
    """Whether annotations hold a part of the work of as many turns or images, such as their loop of steps."""
    if inner.kind != "annotation" or outer.kind not in _WHOLES or len(inner) != len(outer) or len(inner) < 2:
        return False
    begin, end = np.maximum(inner.start_ns, outer.start_ns), np.minimum(inner.end_ns, outer.end_ns)
    outside = work.between(inner.start_ns, inner.end_ns) - work.between(begin, np.maximum(begin, end))
    spent, whole = (work.between(one.start_ns, one.end_ns) for one in (inner, outer))
    is_within = int(outside.sum()) <= (1 - _STAGE) * int(spent.sum())
    return is_within and int(spent.sum()) < _STAGE * int(whole.sum())


def _evenness(spent: Int64s) -> float:
    """The share of spans whose work is about the median."""
    if len(spent) < 2:  # one is even
        return 1.0
    middle = float(np.median(spent))
    return float(np.mean((spent <= _UNEVEN * middle) & (spent * _UNEVEN >= middle)))


def _agree(one: Candidate, other: Candidate) -> bool:
    """Whether two candidates are the same spans, but for their edges."""
    if len(one) != len(other):
        return False
    shared = np.minimum(one.end_ns, other.end_ns) - np.maximum(one.start_ns, other.start_ns)
    longer = np.maximum(one.end_ns - one.start_ns, other.end_ns - other.start_ns)
    return bool(np.mean(2 * shared >= longer) > 0.8)  # all but a first or a last one


def _is_inside(inner: Candidate, outer: Candidate) -> bool:
    """Whether several of `inner` lie in each span of `outer`, which is trusted and not a lone mark."""
    if 2 * len(outer) > len(inner) or _TRUST[outer.kind] <= _TRUST["compiled_calls"]:
        return False
    if len(outer) == 1 and outer.kind in ("profiler_step", "annotation"):
        return False
    return bool(np.mean(places_in(inner, outer) >= 0) > 0.8)  # what leads or trails lies in none


def _of_turns(candidates: list[Candidate], trains: bool) -> list[Candidate]:
    """Candidates but for repeats in the order of ops, unless training: elsewhere they may be steps."""
    return [one for one in candidates if trains or one.kind != "period"]


def _confidence(best: int, candidates: list[Candidate], work: Work, is_loop: bool) -> Confidence:
    """The candidate's own, raised where others agree, lowered where it is not sure that it is the one.

    That is, where spans differ wildly, are not all, or may be loops over others.
    """
    chosen = candidates[best]
    confidence = chosen.confidence
    agreeing = [one for one in candidates if one.kind != chosen.kind and _agree(one, chosen)]
    is_firm = any(one.confidence != "guess" for one in agreeing)
    if not chosen.is_doubtful and (is_firm or (agreeing and confidence == "guess")):
        confidence = _HIGHER[confidence]
    spent = work.between(chosen.start_ns, chosen.end_ns)[chosen.is_whole]
    is_wild = len(spent) > 1 and spent.max() > _WILD * max(1, int(spent.min()))
    is_wild |= _evenness(spent) < _EVEN
    if is_wild or is_loop or any(_is_elsewhere(one, chosen, work) for one in candidates):
        confidence = _LOWER[confidence]
    return confidence


def _is_elsewhere(one: Candidate, chosen: Candidate, work: Work) -> bool:
    """Whether `one` repeats other work before or after all of the chosen spans, and much of it."""
    if len(one) < 2 or one.kind != chosen.kind or len(chosen) < 2:  # one span repeats nothing
        return False
    if one.end_ns[-1] > chosen.start_ns[0] and chosen.end_ns[-1] > one.start_ns[0]:
        return False
    spent, of_chosen = (int(work.between(some.start_ns, some.end_ns).sum()) for some in (one, chosen))
    return spent > _ELSEWHERE * of_chosen


def _only_image(best: Candidate, timed: Calls | None) -> str:
    """What repeats that nothing marks may be as well, where a denoiser is called in them."""
    is_mere = best.kind == "period" and timed is not None and len(timed) > 1
    return f"Otherwise: 1 image of {len(timed):,} {timed.what}." if is_mere and timed else ""


def _runner_up(others: list[tuple[float, Candidate]]) -> str:
    if not others:
        return ""
    score, second = max(others, key=lambda item: item[0])
    what = second.what if len(second) > 1 else _PLURAL.sub(r"\1", second.what, count=1)
    return f"Otherwise: {len(second):,} {what}." if score > _MATTERS else ""

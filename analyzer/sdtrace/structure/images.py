"""Images from the structure of a pipeline: text encoders, equal denoiser calls, image decoder."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sdtrace.attribution.event_selection import named_like
from sdtrace.attribution.linked_trace import LinkedTrace
from sdtrace.intervals import Bools, Int64s, Intervals, contains, contains_any, nothing
from sdtrace.structure.candidates import Candidate, Kind, OpSequence, cut, spans_from_cuts
from sdtrace.structure.components import Components
from sdtrace.structure.decodes import decode_stages, denoising, denoising_starts, image_encodes
from sdtrace.structure.denoiser_calls import Calls
from sdtrace.structure.endings import Between, ends_of_images
from sdtrace.structure.handed_over import handed_over
from sdtrace.structure.iterations import Confidence
from sdtrace.structure.openings import RANDOM, Openings, find_openings
from sdtrace.structure.stages import Stages, join_stages
from sdtrace.structure.work import Work

_ENCODING: Final = re.compile(r"encod", re.IGNORECASE)
_SCHEDULE: Final = re.compile(r"scheduling_\w+\.py\(\d+\): set_timesteps$|^set_timesteps$")
_LONG: Final = 3.0
_LITTLE: Final = 0.05
"""Share of a call's work that work between calls must exceed to count."""
_PASSES: Final = " They may as well be one image: what was decoded is encoded again."
_STAGES: Final = " Each stage may as well be an image: nothing but their networks tells them apart."
_UNLIKE: Final = " They may as well be two stages of one image: one has fewer steps."
_TURNS: Final = " Every {} of them may as well be stages of one image: their networks take turns."
_DECODED: Final = "ended by the image decoder"
_FULL: Final = 0.7
"""Share of the usual number of attentions below which the first or last image was cut off."""


@dataclass(frozen=True)
class Pipeline:
    """What happens around denoiser calls: decodes (host spans), starts of encoders and of schedules.

    `decodes_named` says that the trace itself names them. `timed` are calls that show nothing but the
    embedding of their time step, `openings_ns` instants at which images begin, but for the first. All in the
    order of time.
    """

    linked: LinkedTrace
    ops: OpSequence
    decodes: Intervals
    decodes_named: bool
    texts_ns: Int64s
    image_encodes_ns: Int64s
    timed: Calls | None
    schedules_ns: Int64s
    random_ns: Int64s
    work: Work
    denoising_ns: Int64s
    """Starts of attentions and of compiled code, which a decoder has next to none of."""
    runs_on: bool
    """A denoiser runs after the last decode: the profile ends within an image."""
    openings_ns: Int64s
    doubt: str = ""
    """A sentence where several images may as well be one in several passes or stages."""

    @property
    def encodes_ns(self) -> Int64s:
        """Starts of encoders of prompts and images."""
        return np.sort(np.append(self.texts_ns, self.image_encodes_ns))


def find_pipeline(
    linked: LinkedTrace,
    ops: OpSequence,
    marked: Components,
    timed: Calls | None,
    work: Work,
    overhead: Intervals,
) -> Pipeline:
    """What the trace names of a pipeline, and what its ops show; `timed` as `time_steps` finds them."""
    names = linked.trace.names
    decodes, encodes = _marked_vae(linked, marked)
    text = marked.only(["text_encoder"]).start_ns
    lookups = ops.start_ns[ops.named(np.array([name == "aten::embedding" for name in names], np.bool_))]
    lookups = lookups[~contains(overhead, lookups)]
    schedules = linked.host.start_ns[
        named_like(linked, _SCHEDULE, {"python_function", "user_annotation", "cpu_op"})
    ]
    random = ops.start_ns[ops.named(linked.trace.names_matching(RANDOM))]
    is_named = bool(decodes.start.size)
    calls = np.zeros(0, np.int64) if timed is None else timed.start_ns
    if not is_named:
        decodes = decode_stages(linked, ops)
        encodes = image_encodes(linked, ops, decodes, calls)
    text = text if text.size else _not_of_calls(lookups, calls)
    last = int(decodes.end.max(initial=0))
    return Pipeline(
        linked,
        ops,
        decodes,
        is_named,
        np.sort(text),
        encodes,
        timed,
        np.sort(schedules),
        random,
        work,
        denoising_starts(linked, ops),
        bool((calls > last).any()) if calls.size else denoising(linked, ops, last),
        nothing().start,
    )


def _not_of_calls(lookups: Int64s, calls_ns: Int64s) -> Int64s:
    """Look-ups but for those of the calls themselves, such as of a class: as many as most calls have."""
    lookups = np.sort(lookups)
    place = np.searchsorted(calls_ns, lookups, "right")
    count = np.bincount(place, minlength=len(calls_ns) + 1)
    own = int(np.median(count[1:])) if len(calls_ns) else 0
    turn = np.arange(len(place)) - np.searchsorted(place, place)
    kept: Int64s = lookups[(place == 0) | (turn >= own)]
    return kept


def images_of_calls(pipeline: Pipeline, calls: Calls, is_diffusion: bool = True) -> Candidate | None:
    """Images that group denoiser calls: from decode to decode, else from restart to restart.

    None where nothing tells one group of calls from the next, unless a decode ends the only one. Where
    nothing speaks of diffusion the groups are called runs.
    """
    pipeline = _encodes_apart(pipeline, calls)
    openings = find_openings(pipeline.linked, pipeline.ops, calls, pipeline.decodes)
    pipeline = _of_images(pipeline, calls, openings)
    borders, why, confidence = _borders(pipeline, calls, openings)
    stages = join_stages(pipeline.linked, pipeline.ops, calls, borders)
    pipeline = replace(pipeline, doubt=pipeline.doubt or _doubt(stages, why))
    borders = borders if why == _DECODED else stages.borders
    stages = stages._replace(number=1) if why == _DECODED else stages
    decoded = contains_any(pipeline.decodes.start, calls.end_ns[-1:], np.array([np.iinfo(np.int64).max]))
    is_lone = calls.is_one_run or (openings.is_lone and is_diffusion) or stages.number > 1
    if not borders.any() and not decoded.any() and not is_lone:
        return None
    last = np.append(np.flatnonzero(borders), len(calls) - 1)
    sizes = np.diff(np.append(-1, last))
    pipeline = replace(pipeline, doubt=pipeline.doubt or _doubt_of_sizes(pipeline, calls, sizes))
    start, end = _extents(pipeline, calls, last)
    is_whole = _whole(pipeline, calls, last, sizes)
    common = int(np.median(sizes[is_whole])) if is_whole.any() else int(np.median(sizes))
    each = f"{common} {calls.what}" if (sizes[is_whole] == common).all() else calls.what
    if len(set(sizes[is_whole].tolist())) > 1 and confidence == "certain":
        confidence = "likely"
    noun = "image" if is_diffusion else "run"
    told = f"{each} each, {why}" if why and len(last) > 1 else f"one of {each}"
    told += f" in {stages.number} stages" if stages.number > 1 else ""
    return Candidate(
        _kind(calls, is_diffusion),
        [f"{noun} {number}" for number in range(len(last))],
        start,
        end,
        is_whole,
        f"Iterations are {noun}s: {told}." + pipeline.doubt,
        "images by the pipeline's structure" if is_diffusion else f"runs of {calls.what}",
        "guess" if pipeline.doubt or calls.confidence == "guess" else confidence,
        is_doubtful=bool(pipeline.doubt),
    )


def _doubt(stages: Stages, why: str) -> str:
    """What may as well be where networks take turns; '' where nothing is in doubt."""
    if why == _DECODED:
        return _TURNS.format(stages.number) if stages.number > 1 else ""
    return "" if stages.is_sure else _STAGES


def _doubt_of_sizes(pipeline: Pipeline, calls: Calls, sizes: Int64s) -> str:
    """What two runs of unlike length may as well be, which nothing names and no decoder ends."""
    is_bare = calls.kind == "period" and not pipeline.decodes.start.size
    return _UNLIKE if is_bare and len(sizes) == 2 and sizes[0] != sizes[1] else ""  # a base and a refiner


def _kind(calls: Calls, is_diffusion: bool) -> Kind:
    if calls.kind in ("marked_image", "step_marks"):
        return calls.kind
    return "decoded_image" if is_diffusion else "call_runs"


def images_by_decodes(pipeline: Pipeline) -> Candidate | None:
    """Images that end with a decode, where nothing shows the denoiser's calls."""
    every, ops = pipeline.decodes, pipeline.ops
    if not every.start.size:
        return None
    if pipeline.timed is not None:
        calls = pipeline.timed
        openings = find_openings(pipeline.linked, ops, calls, every)
        pipeline = _of_images(pipeline, calls, openings)
        pipeline = replace(pipeline, doubt=pipeline.doubt or _doubt_of_turns(pipeline, calls))
    decodes = pipeline.decodes
    cuts = _cuts(pipeline, decodes.end[:-1], _follow(pipeline, every, decodes.end[:-1]))
    is_whole = np.ones(len(decodes.start), np.bool_)
    edges = np.concatenate((ops.start_ns[:1], cuts, decodes.end[-1:]))
    count = np.diff(np.searchsorted(pipeline.denoising_ns, edges))
    is_whole[0] = len(count) == 1 or count[0] >= _FULL * np.median(count[1:])
    if pipeline.runs_on:
        cuts = np.append(cuts, _cuts(pipeline, decodes.end[-1:], ops.end_ns[-1:]))
        is_whole = np.append(is_whole, False)
    start, end = spans_from_cuts(ops, cuts)
    how = "Nothing marks iterations; they are images, each ended by an image decoder, seen by its upsampling."
    names = [f"image {number}" for number in range(len(start))]
    what = "images by their decoder"
    confidence: Confidence = "guess" if pipeline.doubt else "likely"
    how += pipeline.doubt
    doubtful = bool(pipeline.doubt)
    return Candidate(
        "decoded_image", names, start, end, is_whole, how, what, confidence, is_doubtful=doubtful
    )


def _doubt_of_turns(pipeline: Pipeline, calls: Calls) -> str:
    """What may as well be where images that end with a decode are made by networks in turn."""
    decoded = contains_any(pipeline.decodes.start, calls.end_ns[:-1], calls.start_ns[1:])
    return _doubt(join_stages(pipeline.linked, pipeline.ops, calls, decoded), _DECODED)


def _follow(pipeline: Pipeline, decodes: Intervals, ends: Int64s) -> Int64s:
    """What denoises or decodes next after each of `ends`."""
    calls = nothing().start if pipeline.timed is None else pipeline.timed.start_ns
    known = calls if calls.size else pipeline.denoising_ns
    points = np.sort(np.concatenate((known, decodes.start)))
    found: Int64s = points[np.searchsorted(points, ends)]
    return found


def _of_images(pipeline: Pipeline, calls: Calls, openings: Openings) -> Pipeline:
    """With the decodes that end an image; the others show previews, or a first pass of two."""
    decodes = pipeline.decodes
    at = openings.at_ns[openings.found]
    of_call = _work_of_calls(pipeline.work, calls, decodes.start)
    between = Between(
        pipeline.texts_ns, pipeline.image_encodes_ns, pipeline.random_ns, at, openings.is_lone, of_call
    )
    kept, is_sure = ends_of_images(decodes, calls.start_ns, between)
    ends = Intervals(decodes.start[kept], decodes.end[kept])
    return replace(pipeline, decodes=ends, openings_ns=at, doubt="" if is_sure else _PASSES)


def _work_of_calls(work: Work, calls: Calls, until_ns: Int64s) -> Int64s:
    """The median work of the calls before each instant and after the one before; 0 where there are none."""
    parts = np.split(work.between(calls.start_ns, calls.end_ns), np.searchsorted(calls.start_ns, until_ns))
    return np.array([np.median(part) if part.size else 0.0 for part in parts[:-1]], np.int64)


def _marked_vae(linked: LinkedTrace, marked: Components) -> tuple[Intervals, Int64s]:
    """Spans of named image decoders, and starts of image encoders, which begin an image."""
    vae = marked.only(["vae"])
    if not len(vae):
        return nothing(), np.zeros(0, np.int64)
    kinds = {"user_annotation", "python_function"}
    encoding = linked.host.start_ns[named_like(linked, _ENCODING, kinds)]
    encodes = np.isin(vae.start_ns, encoding)
    start, end = vae.start_ns[~encodes], vae.end_ns[~encodes]
    order = np.argsort(start, kind="stable")
    return Intervals(start[order], end[order]), np.sort(vae.start_ns[encodes])


def _encodes_apart(pipeline: Pipeline, calls: Calls) -> Pipeline:
    """Where image encoders bear the decoders' name: as many as precede the first call precede every image."""
    start, end = pipeline.decodes
    gap = np.searchsorted(calls.start_ns, start)
    leading = int((gap == 0).sum())
    if not leading:
        return pipeline
    size = np.bincount(gap, minlength=len(calls) + 1)
    place = np.arange(len(gap)) - np.searchsorted(gap, gap)
    is_encode = (size[gap] > leading) & (place >= size[gap] - leading) & (gap < len(calls))
    is_encode |= gap == 0
    encodes = np.sort(np.append(pipeline.image_encodes_ns, start[is_encode]))
    kept = Intervals(start[~is_encode], end[~is_encode])
    return replace(pipeline, decodes=kept, image_encodes_ns=encodes)


def _borders(pipeline: Pipeline, calls: Calls, openings: Openings) -> tuple[Bools, str, Confidence]:
    """After which calls (not the last) an image ends, what says so, and how far to trust it."""
    begin, end = calls.end_ns[:-1], calls.start_ns[1:]
    sure: Confidence = calls.confidence if pipeline.decodes_named else "likely"
    decoded = contains_any(pipeline.decodes.start, begin, end)
    restarted: list[tuple[Bools, str, Confidence]] = [
        (contains_any(pipeline.encodes_ns, begin, end), "begun by an encoder", "likely"),
        (contains_any(pipeline.schedules_ns, begin, end), "begun by a new schedule", "likely"),
        ((np.diff(calls.number) <= 0) & (calls.number[1:] >= 0), "as their numbers restart", "likely"),
        (contains_any(pipeline.random_ns, begin, end), "begun by new noise", "likely"),
        (openings.found, "begun as the first one was", "likely"),
    ]
    unlike: list[tuple[Bools, str, Confidence]] = [
        (_other_work(pipeline.work, begin, end, calls), "with other work between", "likely"),
        (_other_ops(pipeline.ops, calls), "with other ops between", "guess"),
        (_long_pauses(begin, end, calls), "with a longer pause between", "guess"),
    ]
    if not (openings.is_lone or calls.is_one_run):
        restarted += [found for found in unlike if _is_regular(found[0])]
    fewer = [found for found in restarted if 0 < 2 * found[0].sum() <= len(calls)]
    if decoded.any() or (pipeline.decodes.start.size and pipeline.decodes.start[-1] >= calls.end_ns[-1]):
        # A decode after every step shows previews, where something else tells images apart.
        previews = [found for found in fewer[:3] if decoded.all() and found[0].any()]
        return previews[0] if previews and len(calls) > 2 else (decoded, _DECODED, sure)
    return fewer[0] if fewer else (np.zeros(len(begin), np.bool_), "", "guess")


def _is_regular(found: Bools) -> bool:
    """Whether equally many calls lie between all ends; before the first and after the last may be fewer.

    One that takes longer, as the first call does, makes no runs.
    """
    sizes = np.diff(np.concatenate(([-1], np.flatnonzero(found), [len(found)])))
    inner = sizes[1:-1] if len(sizes) > 2 else sizes[:1]
    return (
        len(set(inner.tolist())) == 1
        and sizes.max() == inner[0]
        and (len(sizes) > 2 or sizes[0] == sizes[-1])
    )


def _other_work(work: Work, begin: Int64s, end: Int64s, calls: Calls) -> Bools:
    """Between which calls far more is done than between the others, and not little beside the calls."""
    spent = work.between(begin, end)
    if not spent.size:
        return np.zeros(0, np.bool_)
    of_call = float(np.median(work.between(calls.start_ns, calls.end_ns)))
    return np.asarray(spent > max(_LONG * float(np.median(spent)), _LITTLE * of_call))


def _other_ops(ops: OpSequence, calls: Calls) -> Bools:
    """After which calls that nothing names other ops follow than usually, where that makes equal groups."""
    length = np.diff(np.searchsorted(ops.start_ns, calls.start_ns))
    found: Bools = length != np.median(length) if calls.kind == "period" else np.zeros(len(length), np.bool_)
    sizes = np.diff(np.concatenate(([-1], np.flatnonzero(found), [len(length)])))
    return found if len(set(sizes.tolist())) == 1 else np.zeros(len(length), np.bool_)


def _long_pauses(begin: Int64s, end: Int64s, calls: Calls) -> Bools:
    pause = end - begin
    if len(pause) < 2:  # one pause is neither long nor short
        return np.zeros(len(pause), np.bool_)
    usual = max(_LONG * float(np.median(pause)), 0.5 * float(np.median(calls.end_ns - calls.start_ns)))
    return np.asarray(pause > usual)


def _extents(pipeline: Pipeline, calls: Calls, last: Int64s) -> tuple[Int64s, Int64s]:
    """Host spans of the images whose last calls are given."""
    follow = calls.start_ns[last[:-1] + 1]
    place = np.searchsorted(pipeline.decodes.start, follow) - 1
    done = calls.end_ns[last[:-1]]
    if pipeline.decodes.start.size:
        done = np.maximum(done, np.where(place >= 0, pipeline.decodes.end[np.maximum(place, 0)], 0))
    cuts = _cuts(pipeline, np.minimum(done, follow), follow)
    ops = pipeline.ops
    if not len(ops):
        return np.append(calls.start_ns[:1], cuts), np.append(calls.end_ns[last[:-1]], calls.end_ns[-1])
    start, end = spans_from_cuts(ops, cuts)
    start[0] = min(int(start[0]), int(calls.start_ns[0]))
    return start, np.maximum(end, calls.end_ns[last])


def _cuts(pipeline: Pipeline, done: Int64s, follow: Int64s) -> Int64s:
    """Where the next image begins: in the longest pause from a decode to what begins an image, or a call.

    It comes after the host has waited long for the device: an image that is asked for is done then.
    """
    begun = np.sort(np.concatenate((pipeline.encodes_ns, pipeline.openings_ns, [np.iinfo(np.int64).max])))
    latest = np.maximum(np.minimum(begun[np.searchsorted(begun, done)], follow), done)
    over = handed_over(pipeline.linked)
    place = np.searchsorted(over, latest, "right") - 1
    waited = np.append(over, 0)[place]
    return cut(pipeline.ops, np.maximum(done, waited).tolist(), latest.tolist())


def _whole(pipeline: Pipeline, calls: Calls, last: Int64s, sizes: Int64s) -> Bools:
    """False for the first and the last image where they have fewer calls than the others, or no decode."""
    result = np.ones(len(last), np.bool_)
    if len(last) < 2:  # nothing to compare with
        return result
    usual = np.median(sizes)
    result[0] = sizes[0] >= usual
    has_decode = not pipeline.decodes.start.size or pipeline.decodes.start[-1] >= calls.end_ns[-1]
    result[-1] = has_decode and sizes[-1] >= usual
    return result

"""Names the pipeline's parts in the trace, from outside compiled code, and only while the profiler runs.

Every part is wrapped and put back afterwards, so that an unprofiled image runs exactly what diffusers runs.
Modules are wrapped where `nn.Module.__call__` looks for a compiled implementation: a hook would be compiled
into the graph. Schedulers are wrapped in their class, because some pipelines copy theirs for each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, Final

from torch.profiler import record_function

from sdtrace_collector.denoise_steps import DenoiseSteps
from sdtrace_collector.parts import (
    CALLED_IN_A_STEP,
    loops_of,
    networks_of,
    pipelines_in,
    role_of,
    schedulers_of,
)

_SCHEDULER: Final = "scheduler"
_METHODS: Final = {
    "vae": {"decode": "vae", "encode": "vae.encode"},
    "text_encoder": dict.fromkeys(("generate", "get_text_features"), "text_encoder"),
    "image_encoder": dict.fromkeys(("get_image_features",), "image_encoder"),
}
"""How pipelines run a part other than by calling it, with the range for it."""
_INNER: Final = ("model", "text_model", "language_model", "encoder")
"""What of a language model is called by itself."""


@contextmanager
def annotated(pipe: Any) -> Iterator[None]:
    """Name the parts of `pipe` in whatever profile runs inside the block.

    For your own profiler loop. The trace gets a range for every call of a part (`text_encoder`, `unet` or
    `transformer`, `controlnet`, `vae`, `scheduler`, ...) and one for each `denoise_step`; then
    `sdtrace analyze` need not guess them. Nothing in the pipeline changes, and compiled parts are not
    compiled again. After the block the pipeline is as it was. Outside a profile a range costs about a
    microsecond.

        from torch.profiler import profile, record_function
        from sdtrace_collector import annotated

        with profile(record_shapes=True) as profiler, annotated(pipe):
            for _ in range(3):
                with record_function("model_inference"):
                    pipe("a horse")
        profiler.export_chrome_trace("mine.json")
    """
    with ExitStack() as stack:
        steps, pipes = DenoiseSteps(), (*pipelines_in(pipe), pipe)
        networks = {id(part): (name, part) for each in pipes for name, part in networks_of(each).items()}
        for name, network in networks.values():
            _wrap_network(network, role_of(name, network), steps, stack)
        schedulers = [part for each in pipes for part in schedulers_of(each).values()]
        for scheduler in {type(part): part for part in schedulers}.values():
            _wrap_scheduler(scheduler, steps, stack)
        for loop in (loop for each in pipes for loop in loops_of(each)):
            stack.callback(_swapped(loop, "progress_bar", steps.watching(loop.progress_bar)))
        yield


def _wrap_network(network: Any, role: str, steps: DenoiseSteps, stack: ExitStack) -> None:
    begins = steps.part_called if role in CALLED_IN_A_STEP else None
    part = _Part(begins, None)
    inner = _INNER if role == "text_encoder" and not _is_compiled(network) else ()
    modules: list[Any] = [network, *(getattr(network, name, None) for name in inner)]
    for module in modules:
        if hasattr(module, "_call_impl"):
            call = module._compiled_call_impl or module._call_impl
            stack.callback(_swapped(module, "_compiled_call_impl", part.named(call, role)))
    for method, name in _METHODS.get(role, {}).items():
        if hasattr(network, method):
            stack.callback(_swapped(network, method, part.named(getattr(network, method), name)))


def _is_compiled(network: Any) -> bool:
    """Whether all of it is: then a change inside would have it compiled again."""
    return hasattr(network, "_orig_mod") or network._compiled_call_impl is not None


def _wrap_scheduler(scheduler: Any, steps: DenoiseSteps, stack: ExitStack) -> None:
    """In its class; a method that somebody replaced on the instance, there."""
    parts = {
        "set_timesteps": _Part(None, None),
        "add_noise": _Part(None, None),
        "scale_model_input": _Part(steps.part_called, None),
        "step": _Part(None, steps.stepped),
    }
    for method, part in parts.items():
        if hasattr(scheduler, method):
            owner = scheduler if method in vars(scheduler) else type(scheduler)
            stack.callback(_swapped(owner, method, part.named(getattr(owner, method), _SCHEDULER)))


class _Part:
    """Puts the functions of a part into ranges, one range where they call one another.

    `before` and `after` are told of each range.
    """

    def __init__(self, before: Callable[[], None] | None, after: Callable[[], None] | None) -> None:
        self._before, self._after = before, after
        self._is_open = False

    def named(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """`function` inside a range; its signature stays visible, for diffusers asks the scheduler for it."""

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            if self._is_open:
                return function(*args, **kwargs)
            if self._before is not None:
                self._before()
            self._is_open = True
            try:
                with record_function(name):
                    result = function(*args, **kwargs)
            finally:
                self._is_open = False
            if self._after is not None:
                self._after()
            return result

        return inside


def _swapped(owner: Any, attribute: str, value: object) -> Callable[[], None]:
    """Set the owner's own attribute; returns what puts it back, absent if it was absent.

    Past `__setattr__`: a pipeline's writes into its configuration, and that of a compiled module into the
    module it compiled. Only a class has no other way.
    """
    absent = object()
    before = vars(owner).get(attribute, absent)
    if isinstance(owner, type):
        setattr(owner, attribute, value)
    else:
        vars(owner)[attribute] = value

    def put_back() -> None:
        if isinstance(owner, type):
            if before is absent:
                delattr(owner, attribute)
            else:
                setattr(owner, attribute, before)
        elif before is absent:
            vars(owner).pop(attribute, None)
        else:
            vars(owner)[attribute] = before

    return put_back

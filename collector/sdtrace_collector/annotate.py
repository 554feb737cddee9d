"""Names the pipeline's parts in the trace, from outside compiled code, and only while the profiler runs.

Every part is wrapped on the instance and put back afterwards, so that an unprofiled image runs exactly what
diffusers runs. Modules are wrapped where `nn.Module.__call__` looks for a compiled implementation: a hook
would be compiled into the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch
from torch.profiler import record_function

from sdtrace_collector.models import denoiser_name, text_encoders_of

Callback = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]


@contextmanager
def annotated(pipe: Any) -> Iterator[Callback]:
    """Ranges `text_encoder`, `unet` or `transformer`, `vae`, `scheduler` and `denoise_step` inside the block.

    Yields the `callback_on_step_end` that the pipeline needs for `denoise_step`.
    """
    steps = _Steps(pipe)
    with ExitStack() as stack:
        for encoder in text_encoders_of(pipe):
            stack.enter_context(_named_module(encoder, "text_encoder"))
        name = denoiser_name(pipe)
        stack.enter_context(_named_module(getattr(pipe, name), name))
        stack.enter_context(_replaced(pipe.vae, "decode", _named(pipe.vae.decode, "vae")))
        for method in ("set_timesteps", "scale_model_input", "step"):
            if hasattr(pipe.scheduler, method):
                bound = getattr(pipe.scheduler, method)
                stack.enter_context(_replaced(pipe.scheduler, method, _named(bound, "scheduler")))
        stack.enter_context(_replaced(pipe, "progress_bar", steps.around(pipe.progress_bar)))
        yield steps.next


class _Steps:
    """One `denoise_step` range per turn of the pipeline's loop.

    The loop stands inside `with self.progress_bar(...)`: the first step opens there, and each end of a step
    but the last opens the next.
    """

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._range = ExitStack()

    def around(self, progress_bar: Callable[..., Any]) -> Callable[..., Any]:
        """The pipeline's `progress_bar`, opening the first step."""

        @contextmanager
        def opened(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with progress_bar(*args, **kwargs) as bar, self._range:
                self._open()
                yield bar

        return opened

    def next(self, _pipe: Any, index: int, _timestep: Any, _tensors: dict[str, Any]) -> dict[str, Any]:
        """`callback_on_step_end`: closes a step, opens the next. Changes no tensor."""
        self._range.close()
        if index + 1 < self._pipe.num_timesteps:
            self._open()
        return {}

    def _open(self) -> None:
        self._range.enter_context(record_function("denoise_step"))


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """`function` inside a range; its signature stays visible, for diffusers asks the scheduler for it."""

    @wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with record_function(name):
            return function(*args, **kwargs)

    return inside


@contextmanager
def _named_module(module: torch.nn.Module, name: str) -> Iterator[None]:
    call = module._compiled_call_impl or module._call_impl
    with _replaced(module, "_compiled_call_impl", _named(call, name)):
        yield


@contextmanager
def _replaced(owner: Any, attribute: str, value: object) -> Iterator[None]:
    """The instance's attribute set to `value`, then as it was, absent if it was absent."""
    absent = object()
    before = vars(owner).get(attribute, absent)
    setattr(owner, attribute, value)
    try:
        yield
    finally:
        if before is absent:
            delattr(owner, attribute)
        else:
            setattr(owner, attribute, before)

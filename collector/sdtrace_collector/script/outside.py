"""Settings that a script need not know of: put on its pipeline before the first call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from sdtrace_collector.parts import networks_of, role_of

AS_IT_IS: Final = "script"
"""The value of an axis that leaves a script as it is."""


@dataclass(frozen=True, slots=True)
class Outside:
    """A value for each axis; the names and values are those of `sdtrace variants`."""

    offload: str = AS_IT_IS
    dtype: str = AS_IT_IS
    tf32: str = AS_IT_IS
    attention: str = AS_IT_IS
    memory_format: str = AS_IT_IS
    cudnn_benchmark: str = AS_IT_IS
    compile: str = AS_IT_IS
    compile_vae: str = AS_IT_IS

    @property
    def compiled(self) -> bool:
        """Whether the denoiser is compiled from outside."""
        return self.compile != AS_IT_IS

    def given(self) -> dict[str, str]:
        """What is set."""
        return {axis: value for axis, value in asdict(self).items() if value != AS_IT_IS}


def apply(pipe: Any, settings: Outside) -> None:
    """Puts the settings on a pipeline.

    Raises:
        DoesNotApply: this pipeline, or what is installed, cannot do what one of them says.
    """
    from sdtrace_collector.prepare import DTYPES, lay_out_channels_last, set_backends  # noqa: PLC0415 - torch
    from sdtrace_collector.variants import Axes  # noqa: PLC0415 - beside it

    denoisers, vaes = _networks(pipe, "unet", "transformer"), _networks(pipe, "vae")
    if settings.offload == "off":
        _stop_offloading(pipe)
    if settings.dtype != AS_IT_IS:
        for network in networks_of(pipe).values():
            _round(network, DTYPES[settings.dtype])
    if settings.tf32 != AS_IT_IS or settings.cudnn_benchmark != AS_IT_IS:
        tf32 = settings.tf32 if settings.tf32 != AS_IT_IS else "default"
        set_backends(Axes(tf32=tf32, cudnn_benchmark="on" if settings.cudnn_benchmark == "on" else "off"))
    if settings.attention != AS_IT_IS:
        from sdtrace_collector.attention import set_attention  # noqa: PLC0415 - diffusers

        for denoiser in denoisers:
            set_attention(pipe, denoiser, settings.attention)
    if settings.memory_format == "channels_last":
        for network in (*denoisers, *vaes):
            lay_out_channels_last(network)
    _compile(denoisers, vaes, settings)


def around(pipe: Any, call: Callable[..., Any], settings: Outside) -> Callable[..., Any]:
    """The pipeline's call with what a setting does around it: kernels of attention, for a UNet."""
    from sdtrace_collector.attention import with_attention  # noqa: PLC0415 - torch

    for denoiser in _networks(pipe, "unet", "transformer") if settings.attention != AS_IT_IS else ():
        return with_attention(call, denoiser, settings.attention)
    return call


def _compile(denoisers: list[Any], vaes: list[Any], settings: Outside) -> None:
    from sdtrace_collector.compiling import compile_network  # noqa: PLC0415 - torch

    if settings.compiled:
        for denoiser in denoisers:
            compile_network(denoiser, settings.compile)
    if settings.compile_vae == "on":
        mode = settings.compile if settings.compiled else "default"
        for vae in vaes:
            compile_network(vae.decoder if hasattr(vae, "decoder") else vae, mode.removeprefix("regional-"))


def _networks(pipe: Any, *roles: str) -> list[Any]:
    return [network for name, network in networks_of(pipe).items() if role_of(name, network) in roles]


def _stop_offloading(pipe: Any) -> None:
    """Takes away what moves weights between calls, and moves them to the GPU for good."""
    pipe.remove_all_hooks()
    for network in networks_of(pipe).values():
        for module in network.modules():
            registry = getattr(module, "_diffusers_hook", None)
            if registry is not None and "group_offloading" in registry.hooks:
                registry.remove_hook("group_offloading", recurse=False)
    pipe.to("cuda")


def _round(network: Any, dtype: Any) -> None:
    """Only what is in float32 as a whole: quantized networks and those of 16 bits stay as they are."""
    if {str(weight.dtype) for weight in network.parameters()} == {"torch.float32"}:
        network.to(dtype)

"""The scenes that can be recorded, without anything that needs torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from benchmarks.record.made import Made
    from benchmarks.record.place import Place

_ASKS: Final = ("base", "compile", "item")
_ALL: Final = ("base", "compile", "last_compile", "graphs")
_GRAPHS: Final = ("base", "compile", "graphs")
_LOADERS: Final = ("heavy", "workers", "light", "light_workers")
_BETWEEN: Final = ("base", "python", "gc", "memory")
_NORMS: Final = ("base", "norms")
_TYPES: Final = ("base", "fp32", "fp32_tf32")
_WAYS: Final = ("text_cached", "vae_compile", "batch2")


class Scene(NamedTuple):
    """What is recorded together, its settings timed by turns."""

    name: str
    module: str
    """In `benchmarks.record.scenes`; it has a function of the scene's name."""
    settings: tuple[str, ...]
    about: str

    def make(self, at: Place) -> Made:
        """Builds its networks. Raises AssertionError where its settings are not those of the catalog."""
        function: Callable[[Place], Made] = getattr(
            import_module(f"benchmarks.record.scenes.{self.module}"), self.name
        )
        made = function(at)
        assert set(made.settings) == set(self.settings), made.settings
        return made


def _scenes() -> tuple[Scene, ...]:
    return (
        Scene("useg", "trainings", _LOADERS, "training of a UNet that tells apart the parts of pictures"),
        Scene("clipc", "trainings", _LOADERS, "training of CLIP on pictures and texts"),
        Scene("ast", "trainings", _LOADERS, "training of an audio spectrogram transformer"),
        Scene("edsr", "trainings", _LOADERS, "training of a network for super-resolution"),
        Scene("qwen", "transformers", _ASKS, "Qwen-Image with 7 blocks, 1024x1024"),
        Scene("klein", "transformers", _ASKS, "FLUX.2 klein with 9 blocks, 1024x1024"),
        Scene("cogvid", "transformers", _ASKS, "CogVideoX with 5 blocks, 17 frames, 720x480"),
        Scene("zimage", "transformers", _ASKS, "Z-Image with 5 blocks, 1024x1024"),
        Scene("prx", "transformers", _ASKS, "PRX with 6 blocks in TF32, 1024x1024"),
        Scene("animd", "unets", _ASKS, "AnimateDiff with one layer a block, 16 frames, 512x320"),
        Scene("seg", "convolutions", _ASKS, "a network of convolutions, 40 pictures of 512x512"),
        Scene("xl768", "unets", (*_ALL, "item"), "SDXL with one layer a block, 768x768"),
        Scene("cnet", "unets", (*_ALL, "item"), "a ControlNet with one layer a block, 512x512"),
        Scene("lcm", "unets", (*_ALL, "item"), "a latent consistency model, 512x512"),
        Scene("cm64", "unets", (*_ALL, "item"), "a consistency model, 64x64"),
        Scene("aldm", "unets", _ALL, "AudioLDM with one layer a block, 10 s"),
        Scene("depth", "convolutions", _ALL, "a network of convolutions, single pictures of 128x128"),
        Scene("saudio", "transformers", (*_GRAPHS, "item"), "Stable Audio with 12 blocks, 10 s"),
        Scene("nvae", "norms", _NORMS, "the decoder of Stable Diffusion, 512x512"),
        Scene("nvae4", "norms", _NORMS, "the same, 4 pictures of 384x384 in float16"),
        Scene("nvaexl", "norms", _NORMS, "the same, 896x896 in float32"),
        Scene("nvq", "norms", _NORMS, "a VQ autoencoder, 2 pictures of 512x512"),
        Scene("nunet", "norms", _NORMS, "a UNet of convolutions, 2 pictures of 384x384"),
        Scene("nvideo", "norms", _NORMS, "the decoder of Stable Video Diffusion, 6 frames of 320x320"),
        Scene("lconv", "loops", ("base", "python", "gc", "memory"), "a loop of a small UNet"),
        Scene("lblocks", "loops", ("base", "python", "gc"), "a loop of a transformer"),
        Scene("lbig", "loops", ("base", "python", "memory"), "a loop of large convolutions"),
        Scene("llin", "loops", ("base", "python", "gc"), "a loop of small matrices"),
        Scene("turbo", "small_unets", _ALL, "SDXL from image to image in 4 steps, 512x512, TAESD"),
        Scene("inpaint", "small_unets", _ALL, "Stable Diffusion 1.5 that fills holes, 384x384"),
        Scene("adapter", "small_unets", _ALL, "Stable Diffusion 1.5 with a T2I-Adapter, 448x448"),
        Scene("marigold", "small_unets", _ALL, "Marigold, depth of a picture of 448x320"),
        Scene("ddpm128", "small_unets", _ALL, "a UNet without text and without a pipeline, 128x128"),
        Scene("latte", "small_transformers", _GRAPHS, "Latte with 8 blocks, 8 frames of 256x256"),
        Scene("amused", "small_transformers", _GRAPHS, "aMUSEd with 8 layers, 256x256"),
        Scene("dit256", "small_transformers", _GRAPHS, "DiT with 8 blocks and classes, 256x256"),
        Scene("pix2pix", "small_unets", _ALL, "InstructPix2Pix, 320x320"),
        Scene("pixs", "small_transformers", _GRAPHS, "PixArt with 8 blocks, 256x256"),
        Scene("prior", "small_loops", _GRAPHS, "the prior of unCLIP with 10 blocks"),
        Scene("classes", "small_loops", _GRAPHS, "a UNet that is told classes, 2 pictures of 64x64"),
        Scene("waves", "small_loops", _GRAPHS, "Dance Diffusion, 4 s"),
        Scene("clips", "small_loops", _GRAPHS, "a UNet of three dimensions, 8 frames of 256x256"),
        Scene("sanas", "other_loops", _GRAPHS, "Sana with 6 blocks, 512x512"),
        Scene("mmdit", "other_loops", _GRAPHS, "Stable Diffusion 3 with 6 blocks, 2 pictures of 256x256"),
        Scene("lumina2", "other_loops", _GRAPHS, "Lumina 2 with 6 blocks, 256x256"),
        Scene("score", "other_loops", _GRAPHS, "a UNet with skips, 4 pictures of 64x64"),
        Scene("frames", "other_loops", _GRAPHS, "Stable Video Diffusion with one layer a block, 6 frames"),
        Scene("twice", "other_loops", _GRAPHS, "Stable Diffusion 1.5, two calls a step, 384x384"),
        Scene("fluxs", "last_loops", _GRAPHS, "FLUX with 6 blocks, 384x384"),
        Scene("ltxs", "last_loops", _GRAPHS, "LTX-Video with 8 blocks, 9 frames of 256x256"),
        Scene("ldm", "last_loops", _GRAPHS, "a UNet of latents, 3 pictures of 32x32"),
        Scene("ctrlx", "last_loops", _GRAPHS, "a ControlNet and its UNet as one, 320x320"),
        Scene("patches", "last_loops", _GRAPHS, "a transformer over patches, 96x96"),
        Scene("policy", "last_loops", _GRAPHS, "actions of a robot, 64 at once"),
        Scene("gwide", "loops", _BETWEEN, "a loop of wide layers"),
        Scene("gnorms", "loops", _BETWEEN, "a loop of small ops"),
        Scene("gpool", "loops", _BETWEEN, "a loop of convolutions and poolings"),
        Scene("gattn", "loops", _BETWEEN, "a loop of attention"),
        Scene("glong", "loops", _BETWEEN, "a loop of a language model's block"),
        Scene("nsd3", "norms", _NORMS, "the decoder of Stable Diffusion 3, 640x640"),
        Scene("nenc", "norms", _NORMS, "the encoder of Stable Diffusion, 2 pictures of 640x640 in float16"),
        Scene("nmovq", "norms", _NORMS, "the decoder of Kandinsky, 512x512"),
        Scene("nres", "norms", _NORMS, "residual blocks, 4 pictures of 512x512 in float32"),
        Scene("nwide", "norms", _NORMS, "a UNet of convolutions, 2 pictures of 256x256 in float16"),
        Scene("lenc", "loops", _BETWEEN, "a loop of an encoder of texts"),
        Scene("lmix", "loops", _BETWEEN, "a loop of a mixer of patches"),
        Scene("lup", "loops", _BETWEEN, "a loop that enlarges pictures"),
        Scene("lrnn", "loops", _BETWEEN, "a loop of a recurrent network"),
        Scene("lcode", "loops", _BETWEEN, "a loop of an autoencoder"),
        Scene("vitwhole", "whole_pipelines", (*_TYPES, "math"), "a vision transformer on 160 pictures"),
        Scene(
            "sdwhole",
            "whole_pipelines",
            (*_TYPES, *_WAYS, "unfused", "offload", "checked"),
            "Stable Diffusion 1.5 from the text on, 896x768",
        ),
        Scene(
            "xlwhole",
            "whole_pipelines",
            (*_TYPES, *_WAYS, "unfused", "checked"),
            "SDXL from the text on, 1152x896",
        ),
        Scene(
            "fluxwhole",
            "whole_pipelines",
            (*_TYPES, *_WAYS, "math", "offload", "checked"),
            "FLUX with 8 blocks from the text on, 1024x896",
        ),
        Scene(
            "pixwhole",
            "whole_pipelines",
            (*_TYPES, *_WAYS, "math", "offload"),
            "PixArt with 10 blocks from the text on, 1024x1024",
        ),
        Scene(
            "sd3whole",
            "whole_pipelines",
            (*_TYPES, *_WAYS, "math", "offload", "checked"),
            "Stable Diffusion 3 with 8 blocks from the text on, 960x960",
        ),
        Scene(
            "wanwhole",
            "whole_pipelines",
            (*_TYPES, "text_cached", "batch2", "math", "offload", "checked"),
            "Wan with 8 blocks from the text on, 17 frames of 480x480",
        ),
        Scene("unoise", "trainings", _LOADERS, "training of a UNet that denoises pictures"),
        Scene("words", "trainings", _LOADERS, "training of BERT on texts cut into pieces of words"),
    )


SCENES: Final = {scene.name: scene for scene in _scenes()}
"""In the order in which they measure."""

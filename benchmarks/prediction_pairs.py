"""Which traces and measured walls make pairs: a base, what it became, and the finding that promised it."""

from __future__ import annotations

from typing import Final, NamedTuple

UNCHANGED: Final = "unchanged replay"
IMAGE: Final = "image without the profiler"
GRAPHS: Final = "CUDA graphs, from a compiled base"
COMPILE: Final = "compile and CUDA graphs, from an eager base"
OFFLOAD: Final = "weights kept on the GPU"
SHORT: Final = "float32 to 16 bits"
ATTENTION: Final = "unfused to fused attention"
LAYOUT: Final = "weights converted once"
SYNCS: Final = "syncs removed"
LOADER: Final = "data loader with workers"
TF32: Final = "float32 to TF32"
FUSION: Final = "compile of a part that runs op by op"
ENCODER: Final = "prompt encoded once"
BATCH: Final = "batch size, time of one image"
DECODER: Final = "compile of a pipeline's VAE"
NORM: Final = "group norms compiled"
PYTHON: Final = "Python between the steps"
COLLECTION: Final = "garbage collected between the steps"
MEMORY: Final = "memory given back between the steps"
NOTHING: Final = "syncs and copies of which no finding speaks"
OF_WORK: Final = (TF32, SHORT, ATTENTION, LAYOUT, NORM, FUSION, DECODER)
"""Kinds whose saving is device work first of all."""


class Pair(NamedTuple):
    """A base, what it became, and the finding whose saving is held to it; None where none promises any."""

    kind: str
    base: str
    result: str
    finding: str | None
    images: int = 1
    """In a batch, of which one is held to the prediction."""
    part: str = ""
    """The component that the finding must be about; '' for any."""


LAUNCH: Final = "host.launch_bound"
GRAPHED: Final = ("i2i", "kandi", "deepif", "hyd", "aura")
UNETS: Final = ("lcm", "cnet", "xl768", "aldm", "cm64")
BY_GPU: Final = ("qwen", "klein", "cogvid", "zimage", "prx")
SMALL_UNETS: Final = ("turbo", "inpaint", "adapter", "marigold", "ddpm128", "pix2pix")
SMALL_TRANSFORMERS: Final = ("latte", "amused", "dit256", "pixs")
LOOPS: Final = (
    *("prior", "classes", "waves", "clips"),
    *("sanas", "mmdit", "lumina2", "score", "frames", "twice"),
    *("fluxs", "ltxs", "ldm", "ctrlx", "patches", "policy"),
)
BETWEEN: Final = ("lenc", "lmix", "lup", "lrnn", "lcode", "gwide", "gnorms", "gpool", "gattn", "glong")
NETS_WITH_NORMS: Final = ("nvae", "nvae4", "nvaexl", "nvq", "nunet", "nvideo")
NEW_LOADERS: Final = ("unoise", "words")
WHOLE: Final = ("sdwhole", "xlwhole", "fluxwhole", "pixwhole", "sd3whole", "wanwhole")
PAIRS: Final = (
    *(Pair(GRAPHS, f"{s}.compile", f"{s}.graphs", LAUNCH) for s in ("sd15", "small", "flux", "sd3", "b2")),
    Pair(GRAPHS, "fp32.bf16_compile", "fp32.bf16_graphs", LAUNCH),
    *(Pair(COMPILE, f"{s}.base", f"{s}.graphs", LAUNCH) for s in ("sd15", "small", "flux", "sd3", "b2")),
    Pair(COMPILE, "fp32.bf16", "fp32.bf16_graphs", LAUNCH),
    Pair(COMPILE, "pairs_sd", "pairs_sd.compile_unet_reduce_overhead", LAUNCH),
    *(Pair(OFFLOAD, f"{s}.offload", f"{s}.base", "host.copies") for s in ("sd15", "flux", "sd3", "b2")),
    Pair(SHORT, "fp32.base", "fp32.bf16", "device.float32"),
    Pair(SHORT, "flux.fp32", "flux.base", "device.float32"),
    Pair(SHORT, "sd3.fp32", "sd3.base", "device.float32"),
    Pair(SHORT, "vae.base", "vae.fp16", "device.float32"),
    Pair(SHORT, "pairs_fp32", "pairs_fp32.bf16", "device.float32"),
    Pair(ATTENTION, "sd15.unfused", "sd15.base", "device.unfused_attention"),
    Pair(ATTENTION, "fp32.unfused", "fp32.base", "device.unfused_attention"),
    Pair(ATTENTION, "fp32.bf16_unfused", "fp32.bf16", "device.unfused_attention"),
    Pair(ATTENTION, "b2.unfused", "b2.base", "device.unfused_attention"),
    Pair(LAYOUT, "sd15.compile", "sd15.last_compile", "device.weight_layout"),
    Pair(LAYOUT, "fp32.bf16_compile", "fp32.bf16_last_compile", "device.weight_layout"),
    Pair(LAYOUT, "b2.compile", "b2.last_compile", "device.weight_layout"),
    *(Pair(GRAPHS, f"{s}.compile", f"{s}.graphs", LAUNCH) for s in ("dit", "wan")),
    *(Pair(COMPILE, f"{s}.base", f"{s}.graphs", LAUNCH) for s in ("dit", "wan")),
    *(Pair(OFFLOAD, f"{s}.offload", f"{s}.base", "host.copies") for s in ("dit", "sd21", "sd_offload")),
    Pair(SHORT, "dit.fp32", "dit.base", "device.float32"),
    Pair(SHORT, "wan.fp32", "wan.base", "device.float32"),
    Pair(SHORT, "dec16.fp32", "dec16.base", "device.float32"),
    Pair(TF32, "fp32.base", "fp32.tf32", "device.tf32"),
    *(
        Pair(TF32, f"{s}.fp32", f"{s}.fp32_tf32", "device.tf32")
        for s in ("flux", "sd3", "dit", "wan", "dec16")
    ),
    Pair(TF32, "vae.base", "vae.tf32", "device.tf32"),
    Pair(TF32, "pairs_fp32", "pairs_fp32.tf32", "device.tf32"),
    *(Pair(TF32, f"{s}.workers", f"{s}.tf32", "device.tf32") for s in ("vit", "resnet")),
    *(Pair(ATTENTION, f"{s}.math", f"{s}.base", "device.unfused_attention") for s in ("dit", "wan")),
    Pair(ATTENTION, "sd21.unfused", "sd21.base", "device.unfused_attention"),
    *(Pair(FUSION, f"{s}.base", f"{s}.compile", "device.fusion") for s in ("flux", "wan", "dec16")),
    Pair(FUSION, "fp32.bf16", "fp32.bf16_compile", "device.fusion"),
    Pair(FUSION, "fp32.tf32", "fp32.tf32_compile", "device.fusion"),
    Pair(FUSION, "vae.fp16", "vae.fp16_compile", "device.fusion"),
    Pair(FUSION, "vae.fp16_last", "vae.fp16_last_compile", "device.fusion"),
    Pair(FUSION, "dec16.fp32", "dec16.fp32_compile", "device.fusion"),
    Pair(DECODER, "sd21.base", "sd21.vae_compile", "device.fusion", part="vae"),
    *(Pair(ENCODER, f"{s}.base", f"{s}.text_cached", "host.text_encoder") for s in ("sd15", "b2", "sd21")),
    *(
        Pair(LOADER, f"{s}.{slow}", f"{s}.workers", "host.data")
        for s in ("vit", "resnet")
        for slow in ("heavy", "light", "one_worker")
    ),
    *(Pair(SYNCS, f"{s}.items", f"{s}.workers", "host.sync") for s in ("vit", "resnet")),
    Pair(BATCH, "pairs_sd", "pairs_sd.batch4", "host.batch", 4),
    Pair(BATCH, "pairs_sd", "pairs_sd.batch8", "host.batch", 8),
    Pair(BATCH, "dit.base", "dit.batch2", "host.batch", 2),
    Pair(BATCH, "dit.base", "dit.batch4", "host.batch", 4),
    Pair(BATCH, "wan.base", "wan.batch2", "host.batch", 2),
    Pair(BATCH, "sd21.base", "sd21.batch2", "host.batch", 2),
    *(
        Pair(ENCODER, f"{s}.base", f"{s}.text_cached", "host.text_encoder")
        for s in ("sd15b4", "xl512", "sd3s", "flux4")
    ),
    *(
        Pair(DECODER, f"{s}.base", f"{s}.vae_compile", "device.fusion", part="vae")
        for s in ("sd15b4", "xl512", "sd3s", "flux4", "pixart", "sana")
    ),
    *(
        Pair(LAYOUT, f"{s}.compile", f"{s}.last_compile", "device.weight_layout")
        for s in ("sd15b4", "xl512", "uncond", "wideres")
    ),
    *(Pair(SYNCS, f"{s}.checked", f"{s}.flags", "host.sync") for s in ("sd15b4", "pixart")),
    Pair(SYNCS, "route.asked", "route.known", "host.sync"),
    Pair(SYNCS, "utrain.items", "utrain.norms", "host.sync"),
    Pair(OFFLOAD, "sd3s.offload", "sd3s.base", "host.copies"),
    Pair(FUSION, "uncond.base", "uncond.compile", "device.fusion"),
    *(Pair(COMPILE, f"{s}.base", f"{s}.graphs", LAUNCH) for s in GRAPHED),
    *(Pair(GRAPHS, f"{s}.compile", f"{s}.graphs", LAUNCH) for s in GRAPHED),
    *(Pair(BATCH, f"{s}.base", f"{s}.batch2", "host.batch", 2) for s in GRAPHED),
    *(
        Pair(LAYOUT, f"{s}.compile", f"{s}.last_compile", "device.weight_layout")
        for s in ("i2i", "kandi", "deepif", "upscale")
    ),
    *(Pair(OFFLOAD, f"{s}.offload", f"{s}.base", "host.copies") for s in ("i2i", "deepif", "hyd", "cogview")),
    *(
        Pair(kind, f"{s}.fp32", f"{s}.{result}", finding)
        for s in ("i2i", "kandi", "deepif", "hyd", "lumina", "ltx")
        for kind, result, finding in (
            (SHORT, "base", "device.float32"),
            (TF32, "fp32_tf32", "device.tf32"),
        )
    ),
    Pair(ATTENTION, "i2i.unfused", "i2i.base", "device.unfused_attention"),
    *(
        Pair(ATTENTION, f"{s}.math", f"{s}.base", "device.unfused_attention")
        for s in ("hyd", "lumina", "ltx", "cogview")
    ),
    *(
        Pair(ENCODER, f"{s}.base", f"{s}.text_cached", "host.text_encoder")
        for s in ("i2i", "deepif", "hyd", "aura")
    ),
    *(
        Pair(FUSION, f"{s}.base", f"{s}.compile", "device.fusion", part="transformer")
        for s in ("hyd", "aura", "lumina", "ltx", "cogview")
    ),
    *(
        Pair(FUSION, f"{s}.base", f"{s}.compile", "device.fusion", part="unet")
        for s in ("i2i", "kandi", "deepif", "upscale")
    ),
    *(
        Pair(DECODER, f"{s}.base", f"{s}.vae_compile", "device.fusion", part="vae")
        for s in ("upscale", "hyd", "aura")
    ),
    Pair(LOADER, "cnx.heavy", "cnx.workers", "host.data"),
    Pair(LOADER, "cnx.light", "cnx.light_workers", "host.data"),
    Pair(SYNCS, "upscale.checked", "upscale.flags", "host.sync"),
    Pair(SYNCS, "aura.preview", "aura.base", "host.sync"),
    Pair(NOTHING, "aura.preview", "aura.base", None),
    *(Pair(NOTHING, f"{s}.item", f"{s}.base", None) for s in ("i2i", "kandi", "upscale", "hyd")),
    *(Pair(NOTHING, f"{s}.item", f"{s}.base", None) for s in ("sd15", "flux", "sd3", "b2")),
    *(Pair(NOTHING, f"{s}.items", f"{s}.base", None) for s in ("sd15", "sd3", "b2")),
    *(Pair(NOTHING, f"{s}.preview", f"{s}.base", None) for s in ("sd15", "flux", "b2")),
    *(Pair(NOTHING, f"{s}.base", f"{s}.timesteps_host", None) for s in ("sd15", "b2")),
    *(
        Pair(kind, f"{s}.{setting}", f"{s}.base", finding)
        for kind, setting, finding, scenes in (
            (PYTHON, "python", "host.python", ("lconv", "lblocks", "lbig", "llin", *BETWEEN)),
            (COLLECTION, "gc", "host.gc", ("lconv", "lblocks", "llin", *BETWEEN)),
            (MEMORY, "memory", "host.memory", ("lconv", "lbig", *BETWEEN)),
        )
        for s in scenes
    ),
    Pair(PYTHON, "h100_loop_python", "h100_loop_nothing", "host.python"),
    Pair(COLLECTION, "h100_loop_gc", "h100_loop_nothing", "host.gc"),
    *(
        Pair(NORM, f"{s}.base", f"{s}.norms", "device.norm")
        for s in (*NETS_WITH_NORMS, "nsd3", "nenc", "nmovq", "nres", "nwide")
    ),
    *(
        Pair(LOADER, f"{s}.{slow}", f"{s}.{result}", "host.data")
        for s in ("useg", "clipc", "ast", "edsr", *NEW_LOADERS)
        for slow, result in (("heavy", "workers"), ("light", "light_workers"))
    ),
    *(Pair(FUSION, f"{s}.base", f"{s}.compile", "device.fusion", part="transformer") for s in BY_GPU),
    Pair(FUSION, "animd.base", "animd.compile", "device.fusion", part="unet"),
    Pair(FUSION, "seg.base", "seg.compile", "device.fusion"),
    *(
        Pair(LAYOUT, f"{s}.compile", f"{s}.last_compile", "device.weight_layout")
        for s in (*UNETS, "depth", *SMALL_UNETS)
    ),
    *(
        Pair(kind, f"{s}.{base}", f"{s}.graphs", LAUNCH)
        for s in (*UNETS, "saudio", "depth", *SMALL_UNETS, *SMALL_TRANSFORMERS, *LOOPS)
        for kind, base in ((COMPILE, "base"), (GRAPHS, "compile"))
    ),
    *(
        Pair(NOTHING, f"{s}.item", f"{s}.base", None)
        for s in (*BY_GPU, "lcm", "cnet", "xl768", "cm64", "animd", "seg", "saudio")
    ),
    # Not of cogvid and lcm, whose schedulers ask in each step: the finding speaks of that, too.
    *(
        Pair(SYNCS, f"{s}.item", f"{s}.base", "host.sync")
        for s in ("qwen", "klein", "zimage", "prx", "cnet", "xl768", "cm64", "animd", "seg", "saudio")
    ),
    *(
        Pair(kind, f"{s}.fp32", f"{s}.{result}", finding)
        for s in (*WHOLE, "vitwhole")
        for kind, result, finding in (
            (SHORT, "base", "device.float32"),
            (TF32, "fp32_tf32", "device.tf32"),
        )
    ),
    *(
        Pair(ATTENTION, f"{s}.{slow}", f"{s}.base", "device.unfused_attention")
        for slow, scenes in (
            ("unfused", ("sdwhole", "xlwhole")),
            ("math", ("fluxwhole", "pixwhole", "sd3whole", "wanwhole", "vitwhole")),
        )
        for s in scenes
    ),
    *(Pair(OFFLOAD, f"{s}.offload", f"{s}.base", "host.copies") for s in WHOLE if s != "xlwhole"),
    *(Pair(ENCODER, f"{s}.base", f"{s}.text_cached", "host.text_encoder") for s in WHOLE),
    *(Pair(BATCH, f"{s}.base", f"{s}.batch2", "host.batch", 2) for s in WHOLE),
    *(
        Pair(DECODER, f"{s}.base", f"{s}.vae_compile", "device.fusion", part="vae")
        for s in WHOLE
        if s != "wanwhole"
    ),
    *(Pair(SYNCS, f"{s}.checked", f"{s}.base", "host.sync") for s in WHOLE if s != "pixwhole"),
)

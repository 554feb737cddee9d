"""What a pipeline's components are called in traces: annotations, module classes, Python functions."""

from __future__ import annotations

import re
from typing import Final

DENOISERS: Final = ("unet", "transformer")
OURS: Final = ("text_encoder", "unet", "transformer", "vae", "scheduler")
"""The collector's annotations, which bear the components' own names."""

_TEXT_MODELS: Final = (
    r"CLIPText\w*|T5\w*(?:EncoderModel|Stack)|UMT5EncoderModel|Gemma\w*Model|Qwen\w*Model|ChatGLM\w*"
    r"|LlamaModel|BertModel|XLMRoberta\w*Model"
)
_UNETS: Final = r"\w*UNet\w*(?:ConditionModel|SpatioTemporal\w*|MotionModel|2DModel)"
_TRANSFORMERS: Final = (
    r"(?!Transformer2DModel_|BasicTransformer)\w*(?:Transformer[23]DModel|DiTModel|DiT2DModel|Transformer2D)"
)
_VAES: Final = r"(?:Asymmetric)?Autoencoder\w+|(?:Tiny)?(?:Encoder|Decoder)(?:3d|Tiny)?"
MODULES: Final = tuple(
    (component, re.compile(rf"^nn\.Module: (?:{classes})_\d+$"))
    for component, classes in (
        ("text_encoder", _TEXT_MODELS),
        ("unet", _UNETS),
        ("transformer", _TRANSFORMERS),
        ("vae", _VAES),
    )
)
"""`with_stack=True` names modules by class and number; first match has it."""

LANGUAGE_MODELS: Final = re.compile(
    r"^nn\.Module: (?:Gemma|Qwen|ChatGLM|Llama|Mistral|Mixtral|Phi|GPT|Glm|Bloom|Falcon|OPT)\w*_\d+$"
)
"""Models that also write text by themselves: text encoders only where a denoiser follows."""

FUNCTIONS: Final = (
    (
        "scheduler",
        re.compile(
            r"schedulers/scheduling_\w+\.py\(\d+\): (?:step|set_timesteps|scale_model_input|add_noise)$"
        ),
    ),
)
"""Schedulers are no modules; the stack shows their methods by file and line."""

ANNOTATIONS: Final = (
    (
        "text_encoder",
        re.compile(
            r"^(?:text_?enc\w*|clip(?:_?text)?\w*|t5\w*|encode_prompts?|prompt_encod\w*)$", re.IGNORECASE
        ),
    ),
    ("unet", re.compile(r"^unet(?:_?(?:forward|call|step|inference))?$", re.IGNORECASE)),
    (
        "transformer",
        re.compile(
            r"^(?:transformer|dit|mmdit|flux_transformer|denoiser)(?:_?(?:forward|call|inference))?$",
            re.IGNORECASE,
        ),
    ),
    ("vae", re.compile(r"^(?:vae\w*|decode_latents|latents?_decod\w*|image_decod\w*)$", re.IGNORECASE)),
    ("scheduler", re.compile(r"^(?:scheduler\w*|sampler_step)$", re.IGNORECASE)),
)
"""What other people write into `record_function`."""

BLOCKS: Final = (
    ("down_blocks", re.compile(r"^nn\.Module: \w*Down(?!sample|Encoder)\w*Block\w*_\d+$")),
    ("mid_block", re.compile(r"^nn\.Module: \w*MidBlock\w*_\d+$")),
    ("up_blocks", re.compile(r"^nn\.Module: \w*Up(?!sample|Decoder)\w*Block\w*_\d+$")),
)
"""Parts of a UNet, by class."""

GROUP_NORM: Final = re.compile(r"group_?norm|RowwiseMoments|ComputeFusedParams", re.IGNORECASE)
"""Kernels and ops of the normalization that UNets and VAEs have and transformers have not."""

"""What a pipeline's components are called in traces: annotations, module classes, Python functions."""

from __future__ import annotations

import re
from typing import Final

DENOISERS: Final = ("unet", "transformer")
TEXT_ENCODER: Final = "text_encoder"
OURS: Final = tuple(
    (name, re.compile(f"^{pattern}$"))
    for name, pattern in (
        ("text_encoder", "text_encoder"),
        ("unet", "unet"),
        ("transformer", "transformer"),
        ("vae", r"vae(?:\.encode)?"),
        ("scheduler", "scheduler"),
        ("controlnet", "controlnet"),
        ("image_encoder", "image_encoder"),
        ("adapter", "adapter"),
        ("safety_checker", "safety_checker"),
        ("vocoder", "vocoder"),
    )
)
"""The collector's annotations, which bear the components' own names."""

_TEXT_MODELS: Final = (
    r"\w*CLIPText\w*|Clap(?:Text)?Model\w*|MultilingualCLIP|RobertaSeriesModel\w*|U?MT5EncoderModel|T5EncoderModel"
    r"|T5Gemma2?Encoder(?:Model)?|T5XXLModel|\w*ClipModel|Frozen\w*Embedder\w*|HFEmbedder"
)
_LANGUAGE_MODELS: Final = (
    r"(?:Llama|Llava|Qwen(?!Image)|Gemma|Mistral|Ministral|SmolLM|Glm|ChatGLM|Phi|GPT2|Gpt|InternLM|Bert|Roberta"
    r"|XLMRoberta|T5|UMT5)\w*?(?:Model|ForCausalLM|ForConditionalGeneration|Stack)"
)
_UNETS: Final = r"\w*UNet\w*Model|\w*UNet"
_TRANSFORMERS: Final = (
    r"(?!Dual|\w*ControlNet)(?:\w+Transformer[1-3][dD](?:Model(?:V\d+)?|Wrapper)|\w*(?:MM)?DiT|\w*DiT\w*Model|\w*MMDIT\w*"
    r"|PriorTransformer|Cosmos3OmniTransformer|LongCatAudioDiTTransformer|RFD4ProteinaTransformer|UVit2DModel"
    r"|Wuerstchen(?:Prior|DiffNeXt)|UniDiffuserModel|Flux2?|Chroma|WanModel|LTXV?Model|HunyuanVideo|GeneralDIT"
    r"|HYVideoDiffusionTransformer|AsymmDiTJoint|MiniTrainDIT|PixArt(?:MS)?|SanaMS)"
)
_VAES: Final = (
    r"(?!\w*Block_)\w*Autoencod\w+|\w*V(?:AE|ae)_?|\w*VQModel|TAESD|(?:En|De)coder(?:Tiny)?|\w*(?:En|De)coder[1-3][dD]"
    r"|(?:Oobleck|EasyAnimate|SAME|RAE|AudioDiTVae|LTX2Audio|KVAEAudio|MaskCondition|Temporal|RFD4Proteina"
    r"|MiniMaxH3Audio(?:BigVGAN)?|Cosmos3Audio(?:SpectrogramConvNeXt)?)(?:En|De)coder"
)
LANGUAGE_MODEL: Final = "language_model"
"""Modules that encode text for a denoiser and do other work elsewhere: a component only beside a denoiser."""
MODULES: Final = tuple(
    (component, re.compile(rf"^nn\.Module: (?:{classes})_\d+$"))
    for component, classes in (
        ("text_encoder", _TEXT_MODELS),
        ("unet", _UNETS),
        ("transformer", _TRANSFORMERS),
        ("vae", _VAES),
        (LANGUAGE_MODEL, _LANGUAGE_MODELS),
    )
)
"""`with_stack=True` names modules by class and number; first match has it."""

FUNCTIONS: Final = (
    (
        "scheduler",
        re.compile(
            r"schedulers[/\\]+scheduling_\w+\.py\(\d+\): (?:step|set_timesteps|scale_model_input|add_noise)$"
        ),
    ),
)
"""Schedulers are no modules; the stack shows their methods by file and line, on Windows with backslashes."""

_WITHIN: Final = r"^(?:(?!text|unet|vae|clip|t5)[\w ]+[./:\\]+)*(?:self\.|run_|call_)?"
"""What others put before a name: `pipeline.`, `FluxPipeline/`, `comfy::`."""
_DOES: Final = (
    r"(?:[ _.:/-]*(?:model|forward|call|__call__|inference|infer|run|pass|predict\w*|eval\w*|compiled"
    r"|traced|graph|replay|cond|uncond|single|loop|step|denois\w*))*"
)
_NUMBERED: Final = r"(?:[ _.:/#-]*\d+(?:/\d+)?|\s?\(.*\)|\s?\[.*\])?$"


def _annotation(words: str) -> re.Pattern[str]:
    return re.compile(f"{_WITHIN}(?:{words}){_NUMBERED}", re.IGNORECASE)


ANNOTATIONS: Final = (
    (
        "text_encoder",
        _annotation(
            rf"(?:text|prompt|t5|clip(?:_?[lg])?|clip_?text|llm|gemma|qwen\w*)[ _]?"
            rf"(?:enc\w*|conditioning){_DOES}|(?:clip(?:_?text\w*|_?[lg])?|t5(?:_?xxl)?|umt5){_DOES}|encod(?:e|ing)_?(?:prompts?|text\w*)"
        ),
    ),
    ("unet", _annotation(rf"(?:denois\w*[ _])?unet\w*?{_DOES}")),
    (
        "transformer",
        _annotation(
            rf"(?:denois\w*[ _])?(?:(?:flux2?|sd3|wan|qwen_?image|mm|video|hunyuan|ltx2?)?_?"
            rf"(?:transformer|dit)(?:_2)?|mmdit|denoiser|diffusion_?model){_DOES}"
        ),
    ),
    (
        "vae",
        _annotation(
            r"(?:(?:audio|video|tiny)_?)?vae(?!\w*load)[\w .]*|(?:tae\w*|first_?stage|image|latents?|video)"
            r"[ _]?(?:decod|encod)\w*|(?:decod|encod)e_?(?:latents?|images?|first_stage)\w*"
        ),
    ),
    (
        "scheduler",
        _annotation(
            r"(?<!lr_)(?:(?:noise_)?scheduler(?:[ _.:/-]*\w+)?|sampler_step|(?:euler|ddim|dpm\w*|pndm)_step)"
        ),
    ),
)
"""What other people write into `record_function`, alone or in a namespace, with a verb or number behind."""

BLOCKS: Final = (
    ("down_blocks", re.compile(r"^nn\.Module: \w*Down(?!sample|Encoder)\w*Block\w*_\d+$")),
    ("mid_block", re.compile(r"^nn\.Module: \w*MidBlock\w*_\d+$")),
    ("up_blocks", re.compile(r"^nn\.Module: \w*Up(?!sample|Decoder)\w*Block\w*_\d+$")),
)
"""Parts of a UNet, by class."""

GROUP_NORM: Final = re.compile(r"group_?norm|RowwiseMoments|ComputeFusedParams", re.IGNORECASE)
"""Kernels and ops of the normalization that UNets and VAEs have and transformers have not."""

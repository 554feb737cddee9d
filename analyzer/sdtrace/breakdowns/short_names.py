"""Names of device kernels, cut to what a person compares: operation, data type, tile and layout."""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

MAX_LENGTH = 60
"""Characters in the longest short name."""

_ANONYMOUS = "(anonymous namespace)::"
_SPELLING = (
    (re.compile(r"\b(?:c10::BFloat16|__nv_bfloat16|__hip_bfloat16|cutlass::bfloat16_t)\b"), "bf16"),
    (re.compile(r"\b(?:c10::Half|__half|cutlass::half_t)\b"), "half"),
    (re.compile(r"\bunsigned (int|long|char)\b"), r"u\1"),
    (re.compile(r"\((?:\w+::)*\w+\)(?=\d)"), ""),
    (re.compile(r"\b[A-Za-z_]\w*::"), ""),
    (re.compile(r"\s*([<>,&*])\s*"), r"\1"),
)

_CPP = re.compile(r"<|\w\((?![A-Z]2[A-Z]\))|::")  # not the direction of a copy, as in `MemoryCopy(M2D)`
_RESULT = re.compile(r"^(?:void|(?:typename )?std::enable_if<.*?>::type) ")
_WRAPPED = re.compile(r"^invoke_kernel<(.*)>$")
_CLASS_MEMBER = re.compile(r"(?<=>)::")
_TWICE = re.compile(r"_(\w+)_\1$")  # Ascend repeats itself: `aclnnGelu_Gelu_Gelu`

_TENSILE = re.compile(r"Cijk_A(ilk|lik)_B(ljk|jlk)_([A-Z0-9]+)_")
_TENSILE_SIZES = re.compile(r"_((?:MT|MI)\d+x[\dx]+)")
_XMMA = re.compile(
    r"(?P<arch>sm\d+)_xmma_(?P<what>\w+?)_(?P<types>(?:(?:tf|bf|f|e\dm|i|s|u)\d+)+(?:_(?:(?:tf|bf|f|e\dm|i|s|u)\d+)+)*)"
    r"_(?P<layout>[a-z]+(?:_[a-z]+)?)_tilesize(?P<tile>\d+x[\dx]+)_?(?P<rest>.*?)_kernel"
)
_XMMA_NOISE = re.compile(
    r"execute_?|segment_|tensor[\dx]+_?|align[a-z]*\d+_?|g1_|(?<=_)1x1x1_?|warp(?:group)?size1x1x1_?"
)
_CUTLASS = re.compile(r"cutlass\w*::(?:Kernel2?|device_kernel)<(cutlass_\w+)>")
_CUDNN_SDPA = re.compile(r"cudnn_generated_fort_native_(\w+?)_knob_(\d+)_(\w+?)_cga\w+?(?:_kernel(\w+))?$")

_MANGLED_LITERAL = re.compile(r"L[a-z]n?\d+E")
_MANGLED_LENGTH = re.compile(r"[1-9]\d*(?=[A-Za-z_])")

_ELEMENTWISE = {
    "vectorized_elementwise_kernel": "elementwise",
    "elementwise_kernel": "elementwise strided",
    "elementwise_kernel_manual_unroll": "elementwise strided+",
    "unrolled_elementwise_kernel": "elementwise unrolled",
    "vectorized_templated_elementwise_kernel": "elementwise cast",
    "elementwise_kernel_with_index": "elementwise indexed",
    "VectorizedElementwiseKernel": "elementwise",
    "UnrolledElementwiseKernel": "elementwise unrolled",
}
_TOLD_APART_BY_MORE = {
    "elementwise_kernel_with_index",
    "VectorizedElementwiseKernel",
    "UnrolledElementwiseKernel",
}
_SCALAR_FUNCTOR = re.compile(r"([AB])UnaryFunctor<([^,<>]+),.*?(\w+?)Functor<")
_BINARY_FUNCTOR = re.compile(r"BinaryFunctor<([^,<>]+),[^,<>]+,[^,<>]+,(?:\w+?::)*(\w+?)(?:Functor<|_kernel)")
_ADD_FUNCTOR = re.compile(r"CUDAFunctor(OnSelf|OnOther)?_(\w+)<([^<>]+)>")
_NAMED_FUNCTOR = re.compile(r"(\w+?)(?:Functor|ScalarFunc)<([^,<>]+)")
_USUAL_ARGUMENTS = 3
_HOST_FUNCTION = re.compile(
    r"(\w+?)(?:_kernel|KernelImpl|CUDAKernel|_cuda|_impl|_out|Impl|Internal)*(?:<[^<>()]*>)?\("
)
_LAMBDA = re.compile(r"\{lambda\(([^(){}]+)\)#(\d+)\}")
_REDUCTION = re.compile(r"reduce_kernel<(\d+),(\d+),ReduceOp<([^,<>]+),.*?(\w+?)(?:Ops<|_functor<)")
_FOREACH = re.compile(
    r"multi_tensor_apply_kernel<TensorListMetadata<(\d+)>,(\w+?)Functor<([^,<>]+)[^<>]*>(?:,(\w+)<)?"
)


@lru_cache(maxsize=8_192)
def short_name(kernel_name: str) -> str:
    """A name of at most 60 characters for a device kernel; the same input always gives the same name.

    Where something that tells kernels apart had to go, four hexadecimal digits of the full name's CRC-32
    follow a tilde, so that two kernels of one trace keep two names.
    """
    if kernel_name.startswith("Cijk_"):
        return _tensile(kernel_name)
    if kernel_name.startswith("_Z"):
        return _marked(_mangled(kernel_name), kernel_name)
    for pattern, write in ((_XMMA, _xmma), (_CUTLASS, _cutlass), (_CUDNN_SDPA, _cudnn_sdpa)):
        if found := pattern.search(kernel_name):
            return _fitted(write(found), kernel_name)
    if _CPP.search(kernel_name):
        return _fitted(_cpp(kernel_name), kernel_name)
    if len(kernel_name) > MAX_LENGTH:
        return _fitted(_TWICE.sub(r"_\1", kernel_name), kernel_name)
    return kernel_name


def _fitted(text: str, full: str) -> str:
    return text if len(text) <= MAX_LENGTH else _marked(text, full)


def _marked(text: str, full: str) -> str:
    mark = f"~{zlib.crc32(full.encode()) & 0xFFFF:04x}"
    room = MAX_LENGTH - len(mark)
    if len(text) <= room:
        return text + mark
    if text.startswith("triton_"):
        number = text[text.rfind("_") :]
        return f"{text[: room - len(number) - 1]}…{number}{mark}"
    return text[:room] + mark


def _tensile(name: str) -> str:
    """Tensile: the letter order of A and B says which is transposed, then types and macro tile."""
    found = _TENSILE.match(name)
    if found is None:
        return _fitted(name, name)
    layout = ("T" if found[1] == "lik" else "N") + ("T" if found[2] == "jlk" else "N")
    return _marked(" ".join(["Tensile", found[3], layout, *_TENSILE_SIZES.findall(name)[:2]]), name)


def _xmma(found: re.Match[str]) -> str:
    types = re.findall(r"(?:tf|bf|f|e\dm|i|s|u)\d+", found["types"])
    rest = _XMMA_NOISE.sub("", found["rest"]).strip("_")
    for long, short in (("stage", "s"), ("warpgroupsize", "w"), ("warpsize", "w")):
        rest = rest.replace(long, short)
    what = found["what"].replace("_implicit_gemm", "")
    return " ".join(
        filter(
            None, [found["arch"], what, "/".join(dict.fromkeys(types)), found["layout"], found["tile"], rest]
        )
    )


def _cutlass(found: re.Match[str]) -> str:
    return found[1].replace("_tensorop", "") if len(found[1]) > MAX_LENGTH else found[1]


def _cudnn_sdpa(found: re.Match[str]) -> str:
    return f"cudnn {found[1].replace('_', ' ')} k{found[2]} {found[3].replace('_', ' ')}"


def _mangled(name: str) -> str:
    """The names in an Itanium-mangled symbol: the function and the first type it is made for."""
    name = _MANGLED_LITERAL.sub("", name)
    names: list[str] = []
    at = 0
    while (length := _MANGLED_LENGTH.search(name, at)) and len(names) < 12:
        at = length.end() + int(length[0])
        names.append(name[length.end() : at])
    spoken = [word for word in names if not word.startswith("_GLOBAL_")]
    kernel = next((i for i, word in enumerate(spoken) if "kernel" in word or word == "kentry"), 0)
    return " ".join(spoken[kernel : kernel + 2])


def _cpp(name: str) -> str:
    text = _without_parameters(_RESULT.sub("", name.replace(_ANONYMOUS, "")))
    for pattern, spelling in _SPELLING:
        text = pattern.sub(spelling, text)
    text = _CLASS_MEMBER.sub(".", _WRAPPED.sub(r"\1", text))
    base = text.partition("<")[0]
    if base in _ELEMENTWISE:
        short = _elementwise(base, text)
        return _marked(short, name) if base in _TOLD_APART_BY_MORE else short
    if found := _REDUCTION.match(text):
        return f"reduce {_snake(found[4])}<{found[3]}> {found[1]}x{found[2]}"
    if found := _FOREACH.match(text):
        return " ".join(filter(None, [f"foreach {_snake(found[2])}<{found[3]}>", found[4], f"x{found[1]}"]))
    return text


def _without_parameters(name: str) -> str:
    depth = 0
    for at, char in enumerate(name):
        if char == "<":
            depth += 1
        elif char == ">" and name[at - 1] != "-":
            depth -= 1
        elif char == "(" and depth == 0:
            return name[:at]
    return name


def _elementwise(base: str, text: str) -> str:
    casts = " cast" if "gpu_kernel_impl<" in text or "LoadWithCast<" in text else ""
    sizes = re.match(r"\w+<(\d+),(?:(\d+),)?", text)
    width = (sizes[2] or sizes[1]) if sizes else ""
    usual = "2" if base == "elementwise_kernel" else "4"
    suffix = f" x{width}" if width and width != usual else ""
    return f"{_ELEMENTWISE[base]}{casts} {_operation(text[len(base) + 1 :])}{suffix}"


def _operation(text: str) -> str:
    """The operation and data type of an elementwise kernel, from its functor or its lambda's types."""
    if found := _SCALAR_FUNCTOR.search(text):
        name = _snake(found[3])
        return f"scalar_{name}<{found[2]}>" if found[1] == "A" else f"{name}_scalar<{found[2]}>"
    if found := _BINARY_FUNCTOR.search(text):
        return f"{_snake(found[2])}<{found[1]}>"
    if found := _ADD_FUNCTOR.search(text):
        side = {"OnSelf": f"{found[2]}_scalar", "OnOther": f"scalar_{found[2]}"}
        return f"{side.get(found[1], found[2])}<{found[3]}>"
    if found := _NAMED_FUNCTOR.search(text):
        return f"{_snake(found[1])}<{found[2]}>"
    return _lambda_operation(text)


def _lambda_operation(text: str) -> str:
    functions = [f for f in _HOST_FUNCTION.findall(text) if f not in ("gpu", "operator", "lambda")]
    name = _snake(functions[0]) if functions else "lambda"
    typed = [found for found in _LAMBDA.findall(text) if found[0] != "int,bool"]
    if not typed:
        return name
    types, number = typed[0]
    each = types.split(",")
    kinds = "/".join(dict.fromkeys(each)) + (f":{len(each)}" if len(each) > _USUAL_ARGUMENTS else "")
    return f"{name}<{kinds}>" + (f"#{number}" if number != "1" else "")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()

from pathlib import Path

import pytest

from sdtrace.breakdowns.categories import categorize
from sdtrace.breakdowns.rules import KernelKey, Rule, load_rules
from sdtrace.errors import UsageError

BUILT_IN = load_rules()
CATEGORIES = {
    "gemm",
    "convolution",
    "attention_flash",
    "attention_efficient",
    "attention_cudnn",
    "attention_math",
    "softmax",
    "normalization",
    "activation_elementwise",
    "reduction",
    "layout",
    "embedding_indexing",
    "random",
    "resample",
    "fused_triton",
    "memcpy_h2d",
    "memcpy_d2h",
    "memcpy_d2d",
    "memset_fill",
    "collective",
    "other",
}


def rules_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return path


def rule_id(rule: Rule) -> str:
    return f"{BUILT_IN.rules.index(rule)}-{rule.category}"


@pytest.mark.parametrize("rule", BUILT_IN.rules, ids=rule_id)
def test_a_built_in_rule_is_the_first_to_match_each_of_its_examples(rule: Rule) -> None:
    assert rule.examples
    for example in rule.examples:
        key = example.key.searched()
        assert next(each for each in BUILT_IN.rules if each.matches(key)) is rule, example


def test_the_built_in_rules_cover_the_documented_categories() -> None:
    assert {rule.category for rule in BUILT_IN.rules} == CATEGORIES


def test_every_category_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "categories.md").read_text(encoding="utf-8")
    for category in CATEGORIES:
        assert f"`{category}`" in page


def test_user_rules_are_tried_first(tmp_path: Path) -> None:
    path = rules_file(tmp_path, "[[rule]]\ncategory = 'my_gemm'\nkernel = '^nvjet'\n")
    keys = [
        KernelKey("kernel", "nvjet_sm90_tst", "", ""),
        KernelKey("kernel", "ampere_sgemm_64x32_nn", "", ""),
    ]
    assert categorize(keys, load_rules(path)) == ["my_gemm", "gemm"]
    assert categorize(keys, BUILT_IN) == ["gemm", "gemm"]


def test_all_given_conditions_must_hold(tmp_path: Path) -> None:
    text = "[[rule]]\ncategory = 'x'\nkernel = 'copy'\nop = '^aten::to$'\ncontext = 'vae'\nevent = 'kernel'\n"
    (rule, *_) = load_rules(rules_file(tmp_path, text)).rules
    assert rule.matches(KernelKey("kernel", "a_copy", "aten::to", "vae.decode"))
    assert not rule.matches(KernelKey("gpu_memcpy", "a_copy", "aten::to", "vae.decode"))
    assert not rule.matches(KernelKey("kernel", "a_copy", "aten::to_", "vae.decode"))
    assert not rule.matches(KernelKey("kernel", "a_copy", "aten::to", "unet"))
    assert not rule.matches(KernelKey("kernel", "a_move", "aten::to", "vae.decode"))


def test_the_parameter_list_of_a_templated_kernel_is_not_searched(tmp_path: Path) -> None:
    text = "[[rule]]\ncategory = 'x'\nkernel = 'cublas'\n"
    rules = load_rules(rules_file(tmp_path, text))
    keys = [
        KernelKey("kernel", name, "", "")
        for name in ("void f<int>(cublasParams)", "void f<cublasParams>(int)")
    ]
    assert categorize(keys, rules) == ["other", "x"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[rule]\n", "not TOML"),
        ("[[rule]]\ncategory = 'x'\nkernal = 'y'\n", "unknown field `kernal`"),
        ("[[rules]]\ncategory = 'x'\nkernel = 'y'\n", "unknown field `rules`"),
        ("[[rule]]\nkernel = 'y'\n", "missing required field `category`"),
        ("[[rule]]\ncategory = 'x'\nkernel = 3\n", "Expected `str`"),
        ("[[rule]]\ncategory = 'x'\nkernel = '(y'\n", "kernel is not a regular expression"),
        ("[[rule]]\ncategory = 'x'\nop = '*'\n", "op is not a regular expression"),
        ("[[rule]]\ncategory = 'My Kernels'\nkernel = 'y'\n", "lower-case"),
        ("[[rule]]\ncategory = 'x'\n", "would match everything"),
        (
            "[[rule]]\ncategory = 'x'\nkernel = 'a'\nexamples = [{ kernel = 'b' }]\n",
            "does not match its example 'b'",
        ),
    ],
)
def test_a_bad_rules_file_is_one_clear_line(tmp_path: Path, text: str, reason: str) -> None:
    path = rules_file(tmp_path, text)
    with pytest.raises(UsageError) as error:
        load_rules(path)
    assert str(error.value).startswith(f"{path}: ")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_rules_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_rules(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_rules(tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    ("name", "searched"),
    [
        ("_ZN5aiter24fmha_fwd_hd128_bf16_rtneE", "aiter::fmha_fwd_hd128_bf16_rtne"),
        ("_ZN7ck_tile6kentryILi256ENS_14FlatmmKer", "ck_tile::kentry::FlatmmKer"),
        (
            "_ZN2at6native12_GLOBAL__N_113conv2d_kernelIDF16bLb1EEEvPS2_",
            "at::native::_GLOBAL__N_1::conv2d_kernel",
        ),
        ("_Z", "_Z"),
        ("_ZN99999999999999999999a", "a"),
    ],
)
def test_a_mangled_name_is_searched_by_the_names_in_it(name: str, searched: str) -> None:
    assert KernelKey("kernel", name, "", "").searched().kernel_name == searched

"""Advice in the words of the program: training, and models that make no images."""

from __future__ import annotations

import re

import pytest

from tests.analysis.reference import OTHERS, reported

_OF_DIFFUSION = re.compile(
    r"num_images|\bimages?\b|guidance|scheduler|\bvae\b|\bpipe\.|prompt|text encoder|compile_repeated_blocks"
    r"|group_offload"
)


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_said_of_images_where_none_are_made(name: str) -> None:
    report = reported(name)
    assert report.noun == "iteration"
    for item in report.findings:
        told = " ".join((item.title, item.evidence, item.advice))
        assert not _OF_DIFFUSION.search(told), told

"""What `Analysis.hta` says where HTA is not installed."""

from __future__ import annotations

import sys

import pytest

import sdtrace
from sdtrace.errors import UsageError


def test_one_line_says_how_to_install_hta(eager: sdtrace.Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sdtrace.hta.exact", raising=False)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pandas is not installed; run: pip install 'sdtrace\[hta\]'"):
        eager.hta()

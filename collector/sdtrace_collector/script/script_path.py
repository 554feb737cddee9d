"""Whether a path is a script that can be run. Needs no torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from sdtrace.errors import UsageError
from sdtrace.suggestions import did_you_mean

_INTERPRETER: Final = re.compile(r"python[\d.]*")


def check_script(script: Path) -> None:
    """Does nothing for a file that may be a Python script.

    Raises:
        UsageError: there is no such file, or it is a notebook; the message says what was likely meant.
    """
    if script.suffix == ".ipynb" and script.is_file():
        raise UsageError(
            f"{script} is a notebook: make a script of it (jupyter nbconvert --to script {script}), or use "
            "sdtrace_collector.profile_call in the notebook"
        )
    if script.is_file():
        return
    if script.is_dir():
        raise UsageError(f"{script} is a folder; give a Python script")
    if _INTERPRETER.fullmatch(script.name):
        raise UsageError(f"{script}: leave that word out; the script comes first, and Python runs it")
    beside = script.parent.glob("*.py") if script.parent.is_dir() else ()
    hint = did_you_mean(str(script), map(str, beside))
    raise UsageError(f"{script}: no such file{hint}; give a Python script")

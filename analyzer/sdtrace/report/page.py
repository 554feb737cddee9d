"""What every HTML page of ours has: styles and scripts inside, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources


def asset(name: str) -> str:
    """A style sheet or script, as it stands in the templates' folder; never a place for a trace's text."""
    return resources.files("sdtrace_templates").joinpath("assets", name).read_text(encoding="utf-8")


def policy(style: str, script: str = "") -> str:
    """The page's Content-Security-Policy: its own style and script by their hashes, and nothing else."""
    scripts = f"'{_digest(script)}'" if script else "'none'"
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src {scripts}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")

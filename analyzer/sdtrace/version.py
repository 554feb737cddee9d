"""The version of sdtrace."""

from typing import Final

VERSION: Final = "0.1.0"

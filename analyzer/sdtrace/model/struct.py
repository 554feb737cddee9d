"""What every record of the report is."""

from __future__ import annotations

import msgspec


class Struct(msgspec.Struct, kw_only=True, frozen=True):
    """Base of every record. Type checkers do not see inherited options, so each record repeats them."""

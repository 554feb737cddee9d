"""What tests of the reader share."""

from __future__ import annotations

import pytest

from sdtrace.reader.events import EventTable


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The events that were decoded one by one."""
    texts: list[bytes] = []
    add = EventTable.add

    def spied(table: EventTable, text: bytes) -> bool:
        texts.append(text)
        return add(table, text)

    monkeypatch.setattr(EventTable, "add", spied)
    return texts

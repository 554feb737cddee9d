"""What of the host's time compiling shortens."""

from __future__ import annotations

import numpy as np
import pytest

from sdtrace.whatif import changes
from tests.whatif.plans import US, plan

GROUP = np.zeros(2, np.int64)
FUSABLE = np.zeros(2, np.bool_)


def test_a_call_that_takes_long_does_more_than_launch_and_stays_as_long() -> None:
    """Loading a module takes seconds; compiled code loads modules too."""
    eager = plan((10, 500_000, 5), (10, 20, 5))
    launching, none = changes.compiled(GROUP, FUSABLE), np.zeros(3, np.int64)
    after = changes.sparing(launching, none, none, np.array([True, False]))(eager, "best")
    short = 20 * US * changes.COMPILED_HOST.at("best")
    assert after.calls.own_ns.tolist() == pytest.approx([500_000 * US, short])


@pytest.mark.parametrize("outlook", ["best", "middle", "worst"])
def test_what_is_kept_of_a_gap_stays_and_the_rest_changes(outlook: changes.Outlook) -> None:
    eager = plan((1_000, 10, 5), (400, 10, 5), tail=200)
    part = changes.quicker_host(changes.COMPILED_HOST)
    kept, whole = np.array([750, 0, 200]) * US, np.array([1_000, 400, 200]) * US
    after = changes.sparing(part, kept, whole, np.zeros(2, np.bool_))(eager, outlook)
    share = changes.COMPILED_HOST.at(outlook)
    assert after.calls.gap_ns.tolist() == pytest.approx([(750 + 250 * share) * US, 400 * share * US])
    assert after.tail_ns == 200 * US

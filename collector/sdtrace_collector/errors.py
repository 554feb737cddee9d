"""What can stop a collection, each as one line a user can act on.

SdtraceError (sdtrace.errors)
├── UsageError            2  unknown variant, axis, value or model; a file that cannot be read
├── OutputError           2  the trace exists already, or its folder cannot be written
└── CollectError          1  the run itself failed
    ├── VariantFailed     1  one variant failed; the others of the same call still run
    │   └── DoesNotApply  1  it does not suit this model or what is here; `--all` passes over it
    └── SetupFailed       1  no variant can run here: a missing package, no such device
"""

from __future__ import annotations

from sdtrace.errors import SdtraceError


class CollectError(SdtraceError):
    """A collection failed while running."""

    exit_code = 1


class VariantFailed(CollectError):
    """One variant failed; the others of the same call still run."""


class DoesNotApply(VariantFailed):
    """What a variant sets has no place in this model, or needs what this machine does not have."""


class SetupFailed(CollectError):
    """No variant can run on this machine as asked: a missing package, no such device."""

"""Let IPython complete behind a remote name: reading its attributes costs nothing, which IPython cannot know.

IPython's completer evaluates `np.linalg` of `np.linalg.no<tab>` only where it trusts the class of `np`; a class with a
`__getattr__` of its own must be on its list.

Source: https://ipython.readthedocs.io/en/stable/config/options/terminal.html `Completer.evaluation`,
`Completer.policy_overrides`.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

__all__ = ["trust_in_ipython"]


def trust_in_ipython(*classes: type) -> None:
    """Put classes on the list of what IPython's completer may read; nothing happens outside of IPython."""
    if "IPython" not in sys.modules:
        return
    with contextlib.suppress(Exception):  # an IPython of other make completes the first level only
        from IPython.core.guarded_eval import EVALUATION_POLICIES  # noqa: PLC0415 - only where it is loaded already

        policy: Any = EVALUATION_POLICIES["limited"]
        policy.allowed_getattr_external |= {(cls.__module__, cls.__qualname__) for cls in classes}

"""Attributes of other packages that are replaced, and what they were before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import wrapt

_ABSENT = object()


class Patches:
    """Attributes that were replaced, and what they were before."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def wrap(self, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Wrap ``owner.name``; ``wrapper(wrapped, instance, args, kwargs)`` is called instead."""
        before = vars(owner).get(name, _ABSENT)
        mine = wrapt.FunctionWrapper(getattr(owner, name) if before is _ABSENT else before, wrapper)
        setattr(owner, name, mine)
        self._undo.append(lambda: _restore(owner, name, mine, before))

    def connect(self, signal: Any, hook: Callable[..., Any]) -> None:
        """Connect a hook to a signal that is like Celery's and Django's."""
        uid = f"jobspan-{signal.name}"
        signal.connect(hook, weak=False, dispatch_uid=uid)
        self.on_undo(partial(signal.disconnect, dispatch_uid=uid))

    def on_undo(self, step: Callable[[], None]) -> None:
        """Do this too when the patches are taken back."""
        self._undo.append(step)

    def undo(self) -> None:
        """Restore everything, newest first."""
        while self._undo:
            self._undo.pop()()


def when_imported(name: str, then: Callable[[ModuleType], None], patches: Patches) -> bool:
    """Call ``then`` with a module when it is there, unless the patches have been taken back.

    False where it is being imported at this moment, and has imported jobspan: no hook runs when that is done.
    """
    if name in sys.modules and not is_ready(name):
        return False
    is_wanted = [True]
    patches.on_undo(is_wanted.clear)

    def imported(module: ModuleType) -> None:
        if is_wanted:
            then(module)

    wrapt.register_post_import_hook(imported, name)
    return True


def is_ready(module: str) -> bool:
    """Say whether a module is imported, and not only half."""
    found = sys.modules.get(module)
    return found is not None and not getattr(found.__spec__, "_initializing", False)


def _restore(owner: Any, name: str, mine: object, before: object) -> None:
    if vars(owner).get(name) is not mine:
        # Another library wrapped it afterwards and holds this wrapper inside: removing its wrapper would be worse.
        return
    if before is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, before)

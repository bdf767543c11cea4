"""Commands that the application marks by hand → command events."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import Any

from jobspan import manual_command
from jobspan.events import CommandFinished, CommandStarted, Sink
from jobspan.instrumentors.commands.exit_status import SCRIPT, error_to_record, exit_code, interrupt_of, surroundings
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches


class HandHooks:
    """Reports every ``jobspan.command`` to the sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def install(self, patches: Patches) -> None:
        """Listen until the patches are taken back."""
        manual_command.listen(self)
        patches.on_undo(lambda: manual_command.listen(None))

    @guarded
    def began(self, key: Hashable, name: str, attributes: Mapping[str, Any]) -> None:
        """Record that it begins."""
        self._sink(
            CommandStarted(
                key, name, surroundings(), time.time_ns(), is_process=False, replaces=SCRIPT, attributes=attributes
            )
        )

    @guarded
    def ended(self, key: Hashable, error: BaseException | None) -> None:
        """Record that it ends."""
        number = interrupt_of(error)
        code = None if number else exit_code(error)
        self._sink(CommandFinished(key, code, error_to_record(error, code), time.time_ns(), signal=number))

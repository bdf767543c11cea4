"""The ends of the runs that are under way when all hooks are disconnected: the last that is heard of jobs."""

from __future__ import annotations

from typing import Any

from celery import signals

from jobspan.events import JobSink
from jobspan.instrumentors.celery.signals import RunHooks


class LastEnds:
    """Tells the sink how the open runs end; of one that it did not begin, an end tells nothing."""

    def __init__(self, sink: JobSink) -> None:
        self._runs = RunHooks(sink)
        self._uid = f"jobspan-last-ends-{id(self)}"

    def hear(self) -> None:
        """Hear of ends, from before the other hooks are disconnected, so that none is missed."""
        signals.task_postrun.connect(self._after_run, weak=False, dispatch_uid=self._uid)

    def stop_when_all_are_told(self) -> None:
        """Hear no more, once no run is open."""
        from jobspan.probes.run_cost import are_open

        if not are_open():
            signals.task_postrun.disconnect(dispatch_uid=self._uid)

    def _after_run(self, **kwargs: Any) -> None:
        self._runs.after_run(**kwargs)
        self.stop_when_all_are_told()

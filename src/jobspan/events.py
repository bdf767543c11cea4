"""What happens to jobs and commands, live: hooks report it with these, the recorder writes it down.

A hook file describes what its library reported and knows no OpenTelemetry. The carrier is the mapping in which
context travels: the recorder writes into a publish's carrier before the message leaves and reads a run's.
Times are Unix nanoseconds. ``key`` joins the start and the end of one happening within a process.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from jobspan.job_options import NOTHING, JobOptions
from jobspan.jobs import Broker, Framework, Job, Outcome
from jobspan.named_tuple import NamedTuple

if TYPE_CHECKING:
    from jobspan.patterns import JobByPattern


class CpuScope(Enum):
    """Whose CPU time is the run's: it has the process to itself, one thread, or that is not known."""

    PROCESS = "process"
    THREAD = "thread"
    UNKNOWN = "unknown"


class Arguments(NamedTuple):
    """What a job was called with; built only when they are to be recorded, while one event lasts.

    ``function`` names the parameters; ``shown`` returns the texts that the caller gave to be shown in their place.
    """

    args: Any
    kwargs: Any
    function: Callable[..., Any] | None = None
    shown: Callable[[], tuple[str | None, str | None]] | None = None


class PublishStarted(NamedTuple):
    """A job is about to be handed to the broker.

    ``continues``: the running job's workflow goes on with this job; False: it does not, and the job's own workflow is
    to be carried; None: the library's message carries it.

    ``is_known``: this process has a job of that name itself.

    ``is_root``: no span caused it, whatever is current (a scheduler's tick). ``is_member``: in a batch, a later
    job waits for it.
    """

    key: Hashable
    job: Job
    broker: Broker
    carrier: MutableMapping[str, Any]
    at_ns: int
    is_root: bool = False
    is_member: bool = True
    continues: bool | None = None
    options: JobOptions = NOTHING
    arguments: Callable[[], Arguments] | None = None
    is_known: bool = False


class PublishByPattern(NamedTuple):
    """A job is about to be handed to the broker, and all that is not given here is as in its pattern."""

    key: Hashable
    job: JobByPattern
    carrier: MutableMapping[str, Any]
    at_ns: int
    arguments: Callable[[], Arguments] | None = None

    def whole(self) -> PublishStarted:
        """Return the same event with all that is known."""
        example: PublishStarted = self.job.pattern.example
        key, job, carrier, at_ns, arguments = self
        return example._replace(key=key, job=job.whole(), carrier=carrier, at_ns=at_ns, arguments=arguments)


class PublishFinished(NamedTuple):
    """The call that hands a job to the broker returned, or raised ``error``."""

    key: Hashable
    error: BaseException | None
    at_ns: int


class BatchStarted(NamedTuple):
    """One call is about to publish many jobs.

    ``body`` is the carrier of the job that waits for all ``members``; None: none does. ``members`` are those that the
    call itself publishes, ``omitted`` those that others will; None: not known before they are published. ``jobs`` are
    the names of the ``members``, and the options set on each.
    """

    key: Hashable
    name: str
    framework: Framework
    broker: Broker
    at_ns: int
    body: MutableMapping[str, Any] | None = None
    members: int | None = None
    omitted: int = 0
    jobs: tuple[tuple[str | None, JobOptions], ...] = ()


class BatchFinished(NamedTuple):
    """The call that published many jobs returned, or raised ``error``."""

    key: Hashable
    error: BaseException | None
    at_ns: int


class RunStarted(NamedTuple):
    """A worker begins one attempt. ``received_ns`` is when the worker got the message, if it knows.

    ``is_safe``: the broker still has the message, and delivers it again when the worker dies.
    ``memory_limit_bytes``: the library ends this process after the run if its high-water mark is above.
    """

    key: Hashable
    job: Job
    broker: Broker
    carrier: Mapping[str, Any]
    worker: str
    at_ns: int
    function: str | None = None
    received_ns: int | None = None
    cpu: CpuScope = CpuScope.THREAD
    eager: bool = False
    options: JobOptions = NOTHING
    arguments: Callable[[], Arguments] | None = None
    is_safe: bool = False
    memory_limit_bytes: int | None = None


class RunByPattern(NamedTuple):
    """A worker begins one attempt, and all that is not given here is as in its pattern."""

    key: Hashable
    job: JobByPattern
    carrier: Mapping[str, Any]
    at_ns: int
    received_ns: int | None = None
    arguments: Callable[[], Arguments] | None = None

    def whole(self) -> RunStarted:
        """Return the same event with all that is known."""
        example: RunStarted = self.job.pattern.example
        key, job, carrier, at_ns, received_ns, arguments = self
        return example._replace(
            key=key, job=job.whole(), carrier=carrier, at_ns=at_ns, received_ns=received_ns, arguments=arguments
        )


class RunFinished(NamedTuple):
    """The outcome of an attempt is known. ``error`` is the job's own exception, never the library's wrapper.

    ``error_type`` says what was wrong where no exception does. Not ``has_run``: the worker took the job up and the
    library rejected it before its body. ``is_asked_for``: the job itself asked for this outcome (only ``rejected``
    depends on it).
    """

    key: Hashable
    outcome: Outcome
    final: bool
    at_ns: int
    error: BaseException | None = None
    retry_reason: str | None = None
    retry_delay_s: float | None = None
    dead_lettered: bool | None = None
    max_attempts: int | None = None
    error_type: str | None = None
    has_run: bool = True
    is_asked_for: bool = False


class RunAbandoned(NamedTuple):
    """This process does not report how a run that it began ends: another one reports all of it (``RunLost``).

    ``ended`` is how it ended all the same, for a job may swallow its exit: true unless the other knows better.
    """

    key: Hashable
    ended: RunFinished | None = None


class RunLost(NamedTuple):
    """A run of another process ended, or is about to, and that process cannot report it: this one knows how."""

    job: Job
    broker: Broker
    carrier: Mapping[str, Any]
    worker: str
    outcome: Outcome
    final: bool
    started_ns: int
    at_ns: int
    pid: int | None = None
    received_ns: int | None = None
    function: str | None = None
    error: BaseException | None = None
    options: JobOptions = NOTHING


class WatchStarted(NamedTuple):
    """A worker begins: from now on this process reports what its children, and earlier workers, could not."""


class ProcessLeaving(NamedTuple):
    """This process is about to leave by itself: that cuts off the runs which have not ended by then."""


class ProcessEnded(NamedTuple):
    """A process that ran jobs for this one is dead. ``exit_code`` is negative for a signal; None: not known.

    ``is_final`` says of a job's id whether a run of it that was cut off was the last; None: not known.
    ``is_asked_to``: the worker shuts down, and whoever stops it asked this process to leave too.
    """

    pid: int
    exit_code: int | None
    at_ns: int
    is_final: Callable[[str], bool | None]
    is_asked_to: bool = False


class WatchEnded(NamedTuple):
    """The worker ends, and its children have ended before it. ``is_final`` as in ``ProcessEnded``."""

    is_final: Callable[[str], bool | None]


class JobDropped(NamedTuple):
    """A job was done with before it ever ran: revoked, expired, unknown to the worker, or not to be read.

    ``is_known``: this process has a job of that name itself.
    """

    job: Job
    broker: Broker
    carrier: Mapping[str, Any]
    worker: str
    outcome: Outcome
    final: bool
    at_ns: int
    error: BaseException | None = None
    error_type: str | None = None
    dead_lettered: bool | None = None
    options: JobOptions = NOTHING
    is_known: bool = False


class CommandStarted(NamedTuple):
    """A console command begins. ``carrier`` is the environment it was started with, by the names of a message.

    ``is_current``: what it calls runs inside it; else it is only the parent of publishes that have no other.
    ``is_process``: the process is there for it, so its threads work for it too. ``replaces`` is the key of a command
    that knew less of the same work: it goes, unless it has caused something already.
    """

    key: Hashable
    name: str
    carrier: Mapping[str, str]
    at_ns: int
    is_current: bool = True
    is_process: bool = True
    replaces: Hashable | None = None
    arguments: Sequence[str] | None = None
    attributes: Mapping[str, Any] | None = None


class CommandNamed(NamedTuple):
    """More of a command's path is known."""

    key: Hashable
    name: str


class CommandFinished(NamedTuple):
    """A console command ends with this exit code, and with ``error`` when an exception ended it.

    ``exit_code`` None: not known, or ended by ``signal``, whose name that is. ``is_lost``: it was killed.
    ``pid``: its process, where that is not this one.
    """

    key: Hashable
    exit_code: int | None
    error: BaseException | None
    at_ns: int
    signal: str | None = None
    is_lost: bool = False
    pid: int | None = None


class DaemonStarted(NamedTuple):
    """A server, worker or scheduler begins its loop: what was taken for a command is none."""


class ProgramStarted(NamedTuple):
    """Another program is about to be started. ``carrier`` is what is added to its environment."""

    carrier: MutableMapping[str, str]


class ProcessJoined(NamedTuple):
    """This process was started to work for another one. ``carrier`` is what that one gave of its command or job."""

    carrier: Mapping[str, Any]


class ProgramReplaced(NamedTuple):
    """This process is about to run another program in place of this one (``exec``): whatever is open ends here."""


Event = (
    PublishStarted
    | PublishByPattern
    | PublishFinished
    | BatchStarted
    | BatchFinished
    | RunStarted
    | RunByPattern
    | RunFinished
    | RunAbandoned
    | RunLost
    | WatchStarted
    | ProcessLeaving
    | ProcessEnded
    | WatchEnded
    | JobDropped
    | CommandStarted
    | CommandNamed
    | CommandFinished
    | DaemonStarted
    | ProgramStarted
    | ProcessJoined
    | ProgramReplaced
)
Sink = Callable[[Event], None]


class JobSink(Protocol):
    """A sink that hooks ask first: of a job that nothing would be recorded of, they build no event."""

    def __call__(self, event: Event) -> None:
        """Take an event."""

    def is_noop(self, carrier: Mapping[str, Any]) -> bool:
        """Say whether a publish or run with this carrier, here and now, is not recorded and propagates nothing."""

    def propagate_only(
        self, carrier: MutableMapping[str, Any], job_id: str | None, at_ns: int, queue: str | None
    ) -> bool:
        """Write on a carrier what an unrecorded publish propagates; False: it may be recorded, so send its event.

        Only for a job's first attempt that is due at once, published by no schedule and part of no batch, and that
        carries no workflow; ``queue`` is given where it is not the routing key.
        """

    def start_unsampled(
        self,
        carrier: Mapping[str, Any],
        job: Callable[..., Job],
        options: JobOptions,
        at_ns: int,
        *of: Any,
        eager: bool = False,
    ) -> RunWithoutSpan | None:
        """Return a run that is not recorded; None: it may be recorded, so send its events.

        ``job``, called with ``of``, is called if the job is needed later.
        """


class RunWithoutSpan(Protocol):
    """A run of which no event is sent. It is remembered before it begins: an interrupt may land in between."""

    def begin(self) -> None:
        """It begins."""

    def end(self) -> None:
        """It has ended."""

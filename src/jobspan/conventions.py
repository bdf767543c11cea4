"""The contract: every name that jobspan emits, with its type and meaning. The only file that spells them.

Base: OpenTelemetry semantic conventions 1.44.0. Names there are used as they are; what it lacks is ``jobspan.*``,
because its naming rule forbids inventing names inside its namespaces. ``ATTRIBUTES``, ``SPANS`` and ``METRICS`` are
the tables that the documentation shows and the contract test holds real workers to.
"""

from __future__ import annotations

from jobspan.named_tuple import NamedTuple

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
SCOPE = "jobspan"

# Spans
OPERATION_PUBLISH = "publish"
OPERATION_RUN = "run"
OPERATION_TYPE_SEND = "send"
OPERATION_TYPE_PROCESS = "process"
UNKNOWN_JOB = "_unknown"

# Attributes
MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION_NAME = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_DESTINATION_NAME = "messaging.destination.name"
MESSAGING_RABBITMQ_ROUTING_KEY = "messaging.rabbitmq.destination.routing_key"
MESSAGING_MESSAGE_ID = "messaging.message.id"
MESSAGING_CONVERSATION_ID = "messaging.message.conversation_id"
MESSAGING_BATCH_MESSAGE_COUNT = "messaging.batch.message_count"
MESSAGING_CLIENT_ID = "messaging.client.id"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
JOBSPAN_FRAMEWORK = "jobspan.framework"
JOBSPAN_JOB_NAME = "jobspan.job.name"
JOBSPAN_JOB_ATTEMPT = "jobspan.job.attempt"
JOBSPAN_JOB_MAX_ATTEMPTS = "jobspan.job.max_attempts"
JOBSPAN_JOB_OUTCOME = "jobspan.job.outcome"
JOBSPAN_JOB_FINAL = "jobspan.job.final"
JOBSPAN_JOB_EAGER = "jobspan.job.eager"
JOBSPAN_JOB_WAIT_SCHEDULED = "jobspan.job.wait.scheduled"
JOBSPAN_JOB_WAIT_QUEUED = "jobspan.job.wait.queued"
JOBSPAN_JOB_WAIT_PREFETCHED = "jobspan.job.wait.prefetched"
JOBSPAN_JOB_CLOCK_SKEW = "jobspan.job.clock_skew"
JOBSPAN_JOB_PRIORITY = "jobspan.job.priority"
JOBSPAN_JOB_SCHEDULED_AT = "jobspan.job.scheduled_at"
JOBSPAN_JOB_EXPIRES_AT = "jobspan.job.expires_at"
JOBSPAN_JOB_TIME_LIMIT_SOFT = "jobspan.job.time_limit.soft"
JOBSPAN_JOB_TIME_LIMIT_HARD = "jobspan.job.time_limit.hard"
JOBSPAN_JOB_CPU_TIME = "jobspan.job.cpu.time"
JOBSPAN_JOB_MEMORY_START = "jobspan.job.memory.start"
JOBSPAN_JOB_MEMORY_END = "jobspan.job.memory.end"
JOBSPAN_JOB_MEMORY_PEAK = "jobspan.job.memory.peak"
JOBSPAN_JOB_MEMORY_SOURCE = "jobspan.job.memory.source"
JOBSPAN_JOB_CONCURRENCY = "jobspan.job.concurrency"
JOBSPAN_JOB_RETRY_REASON = "jobspan.job.retry.reason"
JOBSPAN_JOB_RETRY_DELAY = "jobspan.job.retry.delay"
JOBSPAN_JOB_DEAD_LETTERED = "jobspan.job.dead_lettered"
JOBSPAN_JOB_LOST_REASON = "jobspan.job.lost.reason"
JOBSPAN_JOB_EXIT_CODE = "jobspan.job.exit.code"
JOBSPAN_JOB_EXIT_SIGNAL = "jobspan.job.exit.signal"
JOBSPAN_JOB_OOM_KILLED = "jobspan.job.oom_killed"
JOBSPAN_JOB_END_ESTIMATED = "jobspan.job.end_estimated"
JOBSPAN_JOB_REDELIVERED = "jobspan.job.redelivered"
JOBSPAN_JOB_PARENT_ID = "jobspan.job.parent.id"
JOBSPAN_JOB_GROUP_ID = "jobspan.job.group.id"
JOBSPAN_JOB_SCHEDULED_BY = "jobspan.job.scheduled_by"
JOBSPAN_JOB_SCHEDULE_NAME = "jobspan.job.schedule.name"
JOBSPAN_LINK_OMITTED = "jobspan.link.omitted"
JOBSPAN_JOB_ARGS = "jobspan.job.args"
JOBSPAN_JOB_KWARGS = "jobspan.job.kwargs"
JOBSPAN_COMMAND_NAME = "jobspan.command.name"
JOBSPAN_COMMAND_ID = "jobspan.command.id"
JOBSPAN_COMMAND_OUTCOME = "jobspan.command.outcome"
JOBSPAN_COMMAND_EXIT_SIGNAL = "jobspan.command.exit.signal"
JOBSPAN_COMMAND_JOBS_PUBLISHED = "jobspan.command.jobs.published"
JOBSPAN_COMMAND_JOBS_FAILED_TO_PUBLISH = "jobspan.command.jobs.failed_to_publish"
PROCESS_PID = "process.pid"
PROCESS_EXECUTABLE_NAME = "process.executable.name"
PROCESS_COMMAND_ARGS = "process.command_args"
PROCESS_EXIT_CODE = "process.exit.code"
THREAD_ID = "thread.id"
THREAD_NAME = "thread.name"
CODE_FUNCTION_NAME = "code.function.name"
ERROR_TYPE = "error.type"

# Attributes of links
JOBSPAN_LINK_TYPE = "jobspan.link.type"
LINK_PUBLISH = "publish"
LINK_PREVIOUS_ATTEMPT = "previous_attempt"
LINK_MEMBER = "member"
LINK_LOST_RUN = "lost_run"
LINK_AMBIENT = "ambient"

# Values
SYSTEM_RABBITMQ = "rabbitmq"
COMMAND_SUCCEEDED = "succeeded"
COMMAND_FAILED = "failed"
COMMAND_INTERRUPTED = "interrupted"
COMMAND_LOST = "lost"
MEMORY_SAMPLED = "sampled"
LOST_SIGNAL = "signal"
LOST_OOM = "oom"
LOST_EXIT = "exit"
LOST_HOST = "host"
ERROR_OTHER = "_OTHER"
OTHER_JOB = "_other"
WAIT_SCHEDULED = "scheduled"
WAIT_QUEUED = "queued"
WAIT_PREFETCHED = "prefetched"
ERROR_TIMEOUT = "timeout"
ERROR_WORKER_LOST = "worker_lost"
ERROR_COMMAND_LOST = "command_lost"
ERROR_UNKNOWN_JOB = "unknown_job"
ERROR_UNDECODABLE = "undecodable"

# Exceptions: the span event, and the log events of the opt-in
EXCEPTION_EVENT = "exception"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
EVENT_PROCESS_EXCEPTION = "messaging.process.exception"
EVENT_SEND_EXCEPTION = "messaging.send.exception"

# Log events of work in flight (opt-in)
EVENT_JOB_STARTED = "jobspan.job.started"
EVENT_COMMAND_STARTED = "jobspan.command.started"

# Metrics
METRIC_OPERATION_DURATION = "messaging.client.operation.duration"
METRIC_PROCESS_DURATION = "messaging.process.duration"
METRIC_JOB_WAIT = "jobspan.job.wait"
METRIC_JOB_CPU_TIME = "jobspan.job.cpu.time"
METRIC_JOB_MEMORY_PEAK = "jobspan.job.memory.peak"
METRIC_JOB_RETRIES = "jobspan.job.retries"
METRIC_JOB_DEAD_LETTERS = "jobspan.job.dead_letters"
METRIC_JOB_ACTIVE = "jobspan.job.active"
METRIC_JOB_LOST = "jobspan.job.lost"
METRIC_JOB_CUT_OFF = "jobspan.job.cut_off"
METRIC_JOB_DROPPED = "jobspan.job.dropped"
METRIC_COMMAND_DURATION = "jobspan.command.duration"
METRIC_TELEMETRY_DROPPED = "jobspan.telemetry.dropped"
METRIC_QUEUE_DEPTH = "jobspan.queue.depth"
METRIC_QUEUE_OLDEST_AGE = "jobspan.queue.oldest_age"
METRIC_QUEUE_HEALTH = "jobspan.queue.health"
METRIC_WORKERS = "jobspan.workers"
REASON = "reason"
JOBSPAN_WAIT_PHASE = "jobspan.wait.phase"
JOBSPAN_QUEUE_STATE = "jobspan.queue.state"
QUEUE_READY = "ready"
QUEUE_DELAYED = "delayed"
QUEUE_UNACKED = "unacked"
QUEUE_DEAD = "dead"

# On the message: Celery's header, Dramatiq's option, and our text inside the carrier
FIELD = "jobspan-context"
DRAMATIQ_OPTION = "jobspan_carrier"
# On the signature of a chord's body only, never on a message that leaves: whose members it waits for.
MEMBERS_FIELD = "jobspan-members"

# The job that does nothing, and the queue of Dramatiq's; on Redis, the set of the processes that take from it
CANARY_JOB = "jobspan.canary"
CANARY_QUEUE = "jobspan-canary"
CANARY_SIGN = "__jobspan_canary__"


class SpanRow(NamedTuple):
    """A kind of span: its name's shape and what it covers."""

    span: str
    kind: str
    name: str
    covers: str


class AttributeRow(NamedTuple):
    """An attribute: on which spans, R (always), C (when known), O (opt-in), its type and unit."""

    name: str
    on: tuple[str, ...]
    need: str
    type: str
    unit: str
    meaning: str


class MetricRow(NamedTuple):
    """A metric: its instrument, unit and attributes; of a histogram the bucket boundaries that we advise."""

    name: str
    instrument: str
    unit: str
    attributes: tuple[str, ...]
    meaning: str
    boundaries: tuple[float, ...] = ()


SPANS = (
    SpanRow("command", "INTERNAL", "the command path, e.g. `mytool users import`", "the console command's body"),
    SpanRow(
        "publish",
        "PRODUCER",
        "`publish {job name}`",
        "the whole call that hands the job to the broker; ended also when the broker is down",
    ),
    SpanRow(
        "publish batch",
        "PRODUCER or INTERNAL",
        "`publish batch {job name or workflow}`",
        "INTERNAL: one call that publishes many jobs (group, chord header, chunks), around their publish spans; "
        "PRODUCER: up to 1000 publishes or 10 s of one job, in place of their spans, past the trace's job limit",
    ),
    SpanRow(
        "run",
        "CONSUMER",
        "`run {job name}`",
        "one attempt of one job in one worker, from the moment it begins until its outcome is known",
    ),
)

_BATCH, _RUN, _COMMAND = ("publish batch",), ("run",), ("command",)
_JOB = ("publish", "run")
_MESSAGING = ("publish", "publish batch", "run")
_ALL = ("command", "publish", "publish batch", "run")

ATTRIBUTES = (
    AttributeRow(MESSAGING_SYSTEM, _MESSAGING, "R", "string", "", "the real broker: `redis`, `rabbitmq`, …"),
    AttributeRow(MESSAGING_OPERATION_NAME, _MESSAGING, "R", "string", "", "`publish` or `run`"),
    AttributeRow(MESSAGING_OPERATION_TYPE, _MESSAGING, "R", "string", "", "`send` or `process`"),
    AttributeRow(MESSAGING_DESTINATION_NAME, _JOB, "R", "string", "", "queue when known, else the routing key"),
    AttributeRow(
        MESSAGING_RABBITMQ_ROUTING_KEY,
        _JOB,
        "C",
        "string",
        "",
        "RabbitMQ: the routing key, where it is not the queue",
    ),
    AttributeRow(MESSAGING_MESSAGE_ID, _JOB, "C", "string", "", "job id: Celery task id, Dramatiq message id"),
    AttributeRow(MESSAGING_CONVERSATION_ID, _JOB, "C", "string", "", "root id of the workflow"),
    AttributeRow(
        MESSAGING_CLIENT_ID,
        _RUN,
        "R",
        "string",
        "",
        "worker: Celery's node name, Dramatiq `dramatiq@{host}:{main pid}`",
    ),
    AttributeRow(SERVER_ADDRESS, _MESSAGING, "C", "string", "", "broker host"),
    AttributeRow(SERVER_PORT, _MESSAGING, "C", "int", "", "broker port"),
    AttributeRow(JOBSPAN_FRAMEWORK, _MESSAGING, "R", "string", "", "`celery`, `dramatiq`"),
    AttributeRow(JOBSPAN_JOB_NAME, _MESSAGING, "C", "string", "", "task name, actor name"),
    AttributeRow(JOBSPAN_JOB_ATTEMPT, _JOB, "R", "int", "", "1 for the first run"),
    AttributeRow(JOBSPAN_JOB_MAX_ATTEMPTS, _RUN, "C", "int", "", "absent when unlimited"),
    AttributeRow(JOBSPAN_JOB_OUTCOME, _RUN, "R", "string", "", "how the run ended, see the outcomes"),
    AttributeRow(JOBSPAN_JOB_FINAL, _RUN, "C", "bool", "", "no further attempt of this job will follow"),
    AttributeRow(JOBSPAN_JOB_EAGER, _RUN, "C", "bool", "", "ran in the caller's process: no publish span, no waits"),
    AttributeRow(
        JOBSPAN_JOB_WAIT_SCHEDULED, _RUN, "C", "double", "s", "asked-for delay: ETA, countdown, retry backoff"
    ),
    AttributeRow(JOBSPAN_JOB_WAIT_QUEUED, _RUN, "C", "double", "s", "in the broker, after the scheduled time"),
    AttributeRow(JOBSPAN_JOB_WAIT_PREFETCHED, _RUN, "C", "double", "s", "in the worker before it began"),
    AttributeRow(JOBSPAN_JOB_CLOCK_SKEW, _RUN, "C", "bool", "", "a wait came out negative and was set to 0"),
    AttributeRow(JOBSPAN_JOB_PRIORITY, _JOB, "C", "int", "", "as asked for"),
    AttributeRow(JOBSPAN_JOB_SCHEDULED_AT, _JOB, "C", "string", "ISO 8601", "as asked for"),
    AttributeRow(JOBSPAN_JOB_EXPIRES_AT, _JOB, "C", "string", "ISO 8601", "as asked for"),
    AttributeRow(JOBSPAN_JOB_TIME_LIMIT_SOFT, _JOB, "C", "double", "s", "as asked for"),
    AttributeRow(JOBSPAN_JOB_TIME_LIMIT_HARD, _JOB, "C", "double", "s", "as asked for"),
    AttributeRow(JOBSPAN_JOB_CPU_TIME, _RUN, "C", "double", "s", "CPU of its process or thread; not in greenlets"),
    AttributeRow(JOBSPAN_JOB_MEMORY_START, _RUN, "C", "int", "By", "resident set of the process when the run began"),
    AttributeRow(JOBSPAN_JOB_MEMORY_END, _RUN, "C", "int", "By", "resident set of the process when the run ended"),
    AttributeRow(JOBSPAN_JOB_MEMORY_PEAK, _RUN, "C", "int", "By", "highest resident set of the process meanwhile"),
    AttributeRow(JOBSPAN_JOB_MEMORY_SOURCE, _RUN, "C", "string", "", "`exact`, `sampled`, or `process`: no peak"),
    AttributeRow(JOBSPAN_JOB_CONCURRENCY, _RUN, "C", "int", "", "most runs open in the process meanwhile; 1: alone"),
    AttributeRow(JOBSPAN_JOB_RETRY_REASON, _RUN, "C", "string", "", "why a retried run asked for another (redacted)"),
    AttributeRow(JOBSPAN_JOB_RETRY_DELAY, _RUN, "C", "double", "s", "asked-for delay before the next run"),
    AttributeRow(JOBSPAN_JOB_DEAD_LETTERED, _RUN, "C", "bool", "", "the broker's dead-letter store has it now"),
    AttributeRow(
        JOBSPAN_JOB_LOST_REASON,
        _RUN,
        "C",
        "string",
        "",
        "of a lost run: `signal`, `oom`, `exit`, or `host` when its worker went with whoever watched it",
    ),
    AttributeRow(JOBSPAN_JOB_EXIT_CODE, _RUN, "C", "int", "", "with which the process of a lost run left"),
    AttributeRow(JOBSPAN_JOB_EXIT_SIGNAL, _RUN, "C", "string", "", "that ended the process of a lost run: `SIGKILL`"),
    AttributeRow(
        JOBSPAN_JOB_OOM_KILLED, _RUN, "C", "bool", "", "of a SIGKILL: the kernel killed for want of memory meanwhile"
    ),
    AttributeRow(
        JOBSPAN_JOB_END_ESTIMATED,
        _RUN,
        "C",
        "bool",
        "",
        "no process saw this one die: the end is its last sign of life",
    ),
    AttributeRow(JOBSPAN_JOB_REDELIVERED, _RUN, "C", "bool", "", "the broker gave it out before and saw no end"),
    AttributeRow(JOBSPAN_JOB_PARENT_ID, _MESSAGING, "C", "string", "", "job that published this one"),
    AttributeRow(JOBSPAN_JOB_GROUP_ID, _JOB, "C", "string", "", "group or chord"),
    AttributeRow(
        JOBSPAN_JOB_SCHEDULED_BY, _JOB, "C", "string", "", "`beat`, `apscheduler`, …: what published it on time"
    ),
    AttributeRow(JOBSPAN_JOB_SCHEDULE_NAME, _JOB, "C", "string", "", "the schedule's entry that published it"),
    AttributeRow(JOBSPAN_LINK_OMITTED, _JOB, "C", "int", "", "members that are not among the links"),
    AttributeRow(MESSAGING_BATCH_MESSAGE_COUNT, _BATCH, "R", "int", "", "jobs published"),
    AttributeRow(
        JOBSPAN_JOB_ARGS, _JOB, "O", "string", "", "with `@jobspan.options(args=True)`: redacted, cut representation"
    ),
    AttributeRow(JOBSPAN_JOB_KWARGS, _JOB, "O", "string", "", "the same of keyword arguments"),
    AttributeRow(JOBSPAN_COMMAND_NAME, _ALL, "C", "string", "", "the command at the root, carried through nested jobs"),
    AttributeRow(JOBSPAN_COMMAND_ID, _ALL, "C", "string", "", "the command's span id in hex"),
    AttributeRow(
        JOBSPAN_COMMAND_JOBS_PUBLISHED,
        _COMMAND,
        "R",
        "int",
        "",
        "jobs that it published, its forks and `multiprocessing` included, exact; absent when lost",
    ),
    AttributeRow(
        JOBSPAN_COMMAND_OUTCOME,
        _COMMAND,
        "C",
        "string",
        "",
        "`succeeded`, `failed`, `interrupted` (a signal that asks to end), `lost` (killed); absent when "
        "it is not known",
    ),
    AttributeRow(JOBSPAN_COMMAND_EXIT_SIGNAL, _COMMAND, "C", "string", "", "that ended it: `SIGTERM`"),
    AttributeRow(
        JOBSPAN_COMMAND_JOBS_FAILED_TO_PUBLISH,
        _COMMAND,
        "R",
        "int",
        "",
        "publishes of the same processes that raised, exact",
    ),
    AttributeRow(PROCESS_PID, ("command", "run"), "C", "int", "", "process that ran it"),
    AttributeRow(PROCESS_EXECUTABLE_NAME, _COMMAND, "R", "string", "", "base name of the executable"),
    AttributeRow(PROCESS_EXIT_CODE, _COMMAND, "C", "int", "", "true exit code; absent when a signal ended it"),
    AttributeRow(
        PROCESS_COMMAND_ARGS,
        _COMMAND,
        "O",
        "string[]",
        "",
        "with `OTEL_PYTHON_JOBSPAN_COMMAND_ARGS=true`: redacted, cut command line",
    ),
    AttributeRow(THREAD_ID, _RUN, "C", "int", "", "thread that ran it"),
    AttributeRow(THREAD_NAME, _RUN, "C", "string", "", "thread that ran it"),
    AttributeRow(CODE_FUNCTION_NAME, _RUN, "C", "string", "", "qualified name of the job's function"),
    AttributeRow(
        ERROR_TYPE,
        _ALL,
        "C",
        "string",
        "",
        "if and only if status is ERROR: exception's qualified class, or an exit code as text",
    ),
)

_QUEUE = (MESSAGING_SYSTEM, SERVER_ADDRESS, SERVER_PORT, MESSAGING_DESTINATION_NAME, JOBSPAN_FRAMEWORK)
_JOB_SERIES = (JOBSPAN_JOB_NAME, MESSAGING_DESTINATION_NAME, JOBSPAN_FRAMEWORK)
_MESSAGING_SERIES = (MESSAGING_SYSTEM, MESSAGING_OPERATION_NAME, *_JOB_SERIES, ERROR_TYPE)
# fmt: off
_PUBLISH_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_RUN_S = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0,
    3600.0,
)
_WAIT_S = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0,
    43200.0, 86400.0,
)
_COMMAND_S = (
    0.005, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0,
)
# fmt: on
_PEAK_BYTES = tuple(float(2**power) for power in range(20, 37))

METRICS = (
    MetricRow(
        METRIC_OPERATION_DURATION, "histogram", "s", _MESSAGING_SERIES, "the call that hands a job over", _PUBLISH_S
    ),
    MetricRow(
        METRIC_PROCESS_DURATION,
        "histogram",
        "s",
        (*_MESSAGING_SERIES, JOBSPAN_JOB_OUTCOME, JOBSPAN_JOB_FINAL),
        "one run, reported by the process that ran it",
        _RUN_S,
    ),
    MetricRow(
        METRIC_JOB_WAIT,
        "histogram",
        "s",
        (*_JOB_SERIES, JOBSPAN_WAIT_PHASE),
        "a run's wait: `scheduled`, `queued` or `prefetched`, each when known and more than 0",
        _WAIT_S,
    ),
    MetricRow(METRIC_JOB_CPU_TIME, "histogram", "s", _JOB_SERIES, "CPU of a run, when known", _RUN_S),
    MetricRow(
        METRIC_JOB_MEMORY_PEAK,
        "histogram",
        "By",
        (*_JOB_SERIES, JOBSPAN_JOB_MEMORY_SOURCE),
        "highest resident set of the process during a run, when known",
        _PEAK_BYTES,
    ),
    MetricRow(METRIC_JOB_RETRIES, "counter", "{job}", (*_JOB_SERIES, ERROR_TYPE), "runs that a retry follows"),
    MetricRow(
        METRIC_JOB_DEAD_LETTERS, "counter", "{job}", (*_JOB_SERIES, ERROR_TYPE), "jobs moved to the dead letters"
    ),
    MetricRow(METRIC_JOB_ACTIVE, "observable up-down counter", "{job}", _JOB_SERIES, "runs that are open now"),
    MetricRow(
        METRIC_JOB_LOST,
        "observable counter",
        "{job}",
        (*_JOB_SERIES, JOBSPAN_JOB_LOST_REASON, JOBSPAN_JOB_FINAL),
        "runs whose process died, reported by the process that watched it",
    ),
    MetricRow(
        METRIC_JOB_CUT_OFF,
        "observable counter",
        "{job}",
        (*_JOB_SERIES, JOBSPAN_JOB_OUTCOME, JOBSPAN_JOB_FINAL),
        "runs that were ended from outside with their process (hard limit, revoke, shutdown), reported "
        "by the process that did it",
    ),
    MetricRow(
        METRIC_JOB_DROPPED,
        "observable counter",
        "{job}",
        (*_JOB_SERIES, JOBSPAN_JOB_OUTCOME),
        "jobs that were done with before they ever ran",
    ),
    MetricRow(
        METRIC_COMMAND_DURATION,
        "histogram",
        "s",
        (JOBSPAN_COMMAND_NAME, PROCESS_EXIT_CODE),
        "how long console commands took",
        _COMMAND_S,
    ),
    MetricRow(
        METRIC_TELEMETRY_DROPPED,
        "observable counter",
        "{event}",
        (REASON,),
        "what jobspan itself could not record, or had to ignore",
    ),
    MetricRow(
        METRIC_QUEUE_DEPTH,
        "observable gauge",
        "{job}",
        (*_QUEUE, JOBSPAN_QUEUE_STATE),
        "`jobspan monitor`: jobs that are `ready`, `delayed`, `unacked` or `dead`; a state that the "
        "broker does not report "
        "is absent",
    ),
    MetricRow(
        METRIC_QUEUE_OLDEST_AGE,
        "observable gauge",
        "s",
        _QUEUE,
        "`jobspan monitor`: how long the job that is next has waited; 0 where none waits",
    ),
    MetricRow(
        METRIC_QUEUE_HEALTH,
        "observable gauge",
        "1",
        _QUEUE,
        "`jobspan monitor`: 0 healthy, 1 warning, 2 critical; without queue and framework: of the broker and all that "
        "is on it",
    ),
    MetricRow(
        METRIC_WORKERS,
        "observable gauge",
        "{worker}",
        _QUEUE,
        "`jobspan monitor`: workers that take jobs from the queue; absent where the broker does not report them",
    ),
)

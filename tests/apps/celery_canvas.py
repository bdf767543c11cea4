"""A Celery application with results, for workflows: members, bodies, replacements, and commands that put them.

``TEST_BROKER_URL`` is its broker, ``TEST_RESULTS`` its result backend: Redis joins chords itself, others poll.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
from celery import Celery, Task, chain, chord, group
from kombu.entity import Exchange, Queue

from support import diary

FOLDER = Path(os.environ[diary.TEST_DIARY]).parent

app = Celery("canvas", broker=os.environ["TEST_BROKER_URL"], backend=os.environ.get("TEST_RESULTS"))
app.conf.update(
    task_default_queue="work",
    task_queues=[
        Queue("work"),
        Queue("orders", Exchange("shop", type="topic"), routing_key="order.new"),
        Queue("paid", Exchange("shop", type="topic"), routing_key="order.paid.#"),
    ],
    worker_hijack_root_logger=True,
    broker_connection_retry_on_startup=True,
    result_chord_retry_interval=0.2,
    beat_schedule={"every moment": {"task": "note", "schedule": 0.3}} if "TEST_BEAT" in os.environ else {},
    beat_max_loop_interval=1,
)
if app.conf.broker_url.startswith("filesystem"):
    app.conf.broker_transport_options = {
        "data_folder_in": str(FOLDER / "in"),
        "data_folder_out": str(FOLDER / "in"),
        "control_folder": str(FOLDER / "control"),
    }


def _noted(task: Any) -> AbstractContextManager[diary.RunNotes]:
    return diary.run("celery", task.name, task.request.id, task.request.retries + 1)


@app.task(bind=True, name="note")
def note(self: Task, *_: Any) -> int:
    """Succeed."""
    with _noted(self):
        return 1


@app.task(bind=True, name="total")
def total(self: Task, parts: Any) -> int:
    """Add up what the members said."""
    with _noted(self):
        return sum(parts) if isinstance(parts, list) else parts


@app.task(bind=True, name="again", max_retries=1)
def again(self: Task, *_: Any) -> int:
    """Ask for one retry, then succeed."""
    with _noted(self) as run:
        if not self.request.retries:
            run.will_ask_again()
            raise self.retry(countdown=0)
        return 1


@app.task(bind=True, name="grow")
def grow(self: Task) -> int:
    """Add a member to its own chord."""
    with _noted(self):
        self.add_to_chord(note.s())
        return 1


@app.task(bind=True, name="give_way")
def give_way(self: Task) -> Any:
    """Be replaced by a chord."""
    with _noted(self) as run:
        run.will("ignored", final=True)
        raise self.replace(chord([note.s(), note.s()], total.s()))


@app.task(bind=True, name="break_down")
def break_down(self: Task) -> None:
    """Fail."""
    with _noted(self):
        raise ValueError("broken")


WORKFLOWS = {
    "chain": lambda: chain(note.s(), note.s(), note.s()).delay(),
    "group": lambda: group(note.s(), again.s()).delay(),
    "chord": lambda: chord([note.s(), note.s(), again.s()])(total.s()),
    "lazy chord": lambda: chord(note.s() for _ in range(3))(total.s()),
    "nested": lambda: chain(note.si(), group(note.si(), chain(note.si(), note.si())), total.s(), note.s()).delay(),
    "grow": lambda: chord([grow.s(), note.s()])(total.s()),
    "replace": give_way.delay,
    "chunks": lambda: note.chunks([(1,), (2,), (3,)], 2).apply_async(),
    "starmap": lambda: note.starmap([(1,), (2,)]).delay(),
    "link": lambda: note.apply_async(link=note.s()),
    "link_error": lambda: break_down.apply_async(link_error=note.si()),
    "topic": lambda: note.apply_async(queue="orders"),
    "routed": lambda: note.apply_async(exchange="shop", routing_key="order.paid.late", queue="paid"),
}


@click.group()
def command() -> None:
    """Put workflows."""


@command.command()
@click.argument("names", nargs=-1)
def put(names: tuple[str, ...]) -> None:
    """Put the workflows of these NAMES."""
    for name in names:
        WORKFLOWS[name]()


@command.command()
@click.argument("number", type=int)
def many(number: int) -> None:
    """Put NUMBER jobs."""
    for _ in range(number):
        note.apply_async(ignore_result=True)


if __name__ == "__main__":
    command()

"""Whose queues those of a virtual host are."""

from __future__ import annotations

from jobspan.brokers.base import QueueState
from jobspan.brokers.rabbitmq_queues import Queue, celery_queues, dramatiq_queues, listeners
from jobspan.jobs import Framework

QUEUES = {
    queue.name: queue
    for queue in (
        Queue("mail", ready=3, unacked=1, consumers=2),
        Queue("mail.DQ", ready=1, unacked=4, consumers=2),
        Queue("mail.XQ", ready=7, unacked=0, consumers=0),
        Queue("work", ready=5, unacked=2, consumers=1),
        Queue("other", ready=9, unacked=0, consumers=0),
        Queue("new"),
        Queue("celery@host.celery.pidbox", ready=0, unacked=0, consumers=1, is_private=True),
        Queue("1234.reply.celery.pidbox", ready=0, unacked=0, consumers=1, is_private=True),
        Queue("celeryev.1234", ready=0, unacked=0, consumers=1),
    )
}
WORK = QueueState(Framework.CELERY, "work", ready=5, unacked=2, workers=1)
OTHER = QueueState(Framework.CELERY, "other", ready=9, unacked=0, workers=0)
NEW = QueueState(Framework.CELERY, "new")


def test_dramatiqs_queue_is_the_one_with_a_delay_queue_beside_it() -> None:
    assert dramatiq_queues(QUEUES) == (
        QueueState(Framework.DRAMATIQ, "mail", ready=3, delayed=5, unacked=1, dead=7, workers=2),
    )


def test_celerys_queue_has_an_exchange_of_its_name() -> None:
    assert celery_queues(QUEUES, frozenset({"work"}), (), all_are_celerys=False) == (WORK,)


def test_a_queue_that_the_user_names_is_celerys() -> None:
    assert celery_queues(QUEUES, frozenset({"work"}), ("other",), all_are_celerys=False) == (WORK, OTHER)


def test_where_celery_has_been_all_that_are_not_dramatiqs_are_its() -> None:
    assert celery_queues(QUEUES, frozenset({"celeryev"}), (), all_are_celerys=False) == (WORK, OTHER, NEW)
    assert celery_queues(QUEUES, frozenset(), (), all_are_celerys=True) == (WORK, OTHER, NEW)


def test_each_worker_that_takes_questions_has_a_mailbox() -> None:
    assert listeners(QUEUES) == 1

"""A producer without instrumentation: ``plain_producer.py celery '[{"traceparent": "garbage"}]'``."""

from __future__ import annotations

import json
import sys

framework, extras = sys.argv[1], json.loads(sys.argv[2])
if framework == "celery":
    from apps.celery_app import ok

    for headers in extras:
        ok.apply_async(headers=headers)
else:
    from apps import dramatiq_app

    for options in extras:
        dramatiq_app.ok.send_with_options(**options)

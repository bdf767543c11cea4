"""A plain script that turns out to be a web server: ``asgi_app.py PORT``; each request puts a job."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from apps import celery_app


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Put a job and say so."""
    if scope["type"] != "http":
        return
    celery_app.put(celery_app.ok)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"put"})


if __name__ == "__main__":
    # What is put before the server is there is the script's.
    celery_app.put(celery_app.ok)
    uvicorn.run(OpenTelemetryMiddleware(answer), host="127.0.0.1", port=int(sys.argv[1]), lifespan="off")

"""Applications that tests run as an operator would: a Celery app, a Dramatiq app, a console command."""

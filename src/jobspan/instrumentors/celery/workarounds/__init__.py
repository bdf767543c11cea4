"""Corners of Celery, and of what runs beside it, that jobspan works around."""

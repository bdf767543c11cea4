"""What events are recorded with: tracer, meter and logger, the metrics and the log events."""

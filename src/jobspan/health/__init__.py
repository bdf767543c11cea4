"""Brokers and telemetry → findings: what is not as it should be, and what to do about it; and the same as metrics."""

"""Trace backends that are searched over HTTP: Jaeger and Tempo."""

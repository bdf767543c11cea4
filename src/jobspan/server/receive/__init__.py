"""OTLP requests → rows for the store, and the replies to their senders."""

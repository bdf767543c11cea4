"""The writer of the embedded store: one thread, one transaction for many requests, retention."""

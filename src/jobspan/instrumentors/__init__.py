"""Library hooks in, job events out: one folder a library."""

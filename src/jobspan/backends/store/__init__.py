"""The embedded store: a DuckDB file, read by one reader."""

"""Answers → the JSON documents of `--json`."""

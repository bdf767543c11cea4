"""Answers → tables and trees for a terminal."""

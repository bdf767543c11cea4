"""The record of runs in flight that survives its process, and who reads it after a death."""

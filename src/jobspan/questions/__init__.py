"""What can be asked about kept telemetry, as values: for the command line, an HTTP API and a page alike.

One file for each family of questions, imported by itself: ``jobspan runs`` does not load what ``jobspan show`` needs.
"""

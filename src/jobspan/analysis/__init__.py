"""From spans to answers: what failed, and the story of a command, a job or a trace. Pure: no I/O, no printing."""

"""The environment by which workers and producers learn what they are."""

BROKER, CONTENDER, LIBRARY, FILE = "BENCH_BROKER", "BENCH_CONTENDER", "BENCH_LIBRARY", "BENCH_FILE"

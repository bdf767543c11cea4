"""Steps of a job's way, each on its own: the flight record's and the probes'."""
from benchmarks.figures import Figure
def measure() -> list[Figure]: return []

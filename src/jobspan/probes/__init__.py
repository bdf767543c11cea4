"""What a run costs: resident memory and CPU time."""

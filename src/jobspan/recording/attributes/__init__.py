"""Facts of jobs and commands → span attributes, and what may not leave the process."""

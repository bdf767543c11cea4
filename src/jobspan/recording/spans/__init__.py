"""Events → spans: publishes, batches, runs, commands, and what links them."""

"""The shop on the pictures: its jobs, its console commands, and the bank."""

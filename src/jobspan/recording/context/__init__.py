"""What travels with a message, and what causes what."""

"""What is open in this process, in bounded tables."""

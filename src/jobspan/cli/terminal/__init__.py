"""The terminal itself: output, width, units, times, short ids, harmless text."""

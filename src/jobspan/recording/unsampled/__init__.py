"""Jobs of which no span is recorded: only their context travels."""

"""What the hooks of all task libraries share: the publish under way, the run under way, dead children, dropped jobs."""

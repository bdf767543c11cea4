"""What survives this process: open spans and those that no exporter has confirmed yet."""

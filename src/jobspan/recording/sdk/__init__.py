"""What cannot be done without the SDK: loaded lazily, and absent SDK means doing without it."""

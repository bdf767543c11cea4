"""What keeps the application safe: counted drops, interrupts that go through."""

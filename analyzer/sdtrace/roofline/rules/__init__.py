"""What each op of torch reads and writes, by name: one module per family of ops."""

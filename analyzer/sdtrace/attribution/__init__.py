"""What each op and each kernel cost: torch's own numbers, rebuilt from the file."""

"""What an iteration would take if something about it were different: its host and device, replayed."""

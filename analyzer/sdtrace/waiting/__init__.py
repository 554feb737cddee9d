"""When the device waits, and for what: idle time by cause, launch queue, blocking calls."""

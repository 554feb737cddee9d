"""When: compile, autotune, capture, warmup and steady state; iterations, components and idle time."""

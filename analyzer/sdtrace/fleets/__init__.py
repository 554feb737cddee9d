"""Many traces: read one by one on many processes, kept as small tables in a store, and judged together."""

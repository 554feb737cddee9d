"""What a coding assistant asks of traces: pure functions that answer in a few lines of text.

`server` registers them with the Model Context Protocol's SDK (extra `mcp`); nothing else here needs it.
"""

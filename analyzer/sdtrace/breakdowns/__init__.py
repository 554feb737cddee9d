"""What device work is: its category, the ops a fused kernel holds, and a name short enough to read."""

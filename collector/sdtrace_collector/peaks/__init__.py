"""What the card at hand can do at most, measured in seconds."""

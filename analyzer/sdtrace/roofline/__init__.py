"""What each piece of work is, what it must move, and what the card could do with it."""

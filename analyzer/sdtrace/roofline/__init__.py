"""What each piece of work could take: what it must compute and move, and what the card can do at most."""

"""What a completion's text shows on its own: how it reads, whether it runs away, and which state it is in."""

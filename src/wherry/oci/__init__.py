"""Floor 1: what an image is. Pure values, no I/O."""

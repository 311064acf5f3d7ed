"""Floor 4: the registry."""

"""What nobody needs any more goes, while the registry works."""

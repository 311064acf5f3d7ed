"""Whether what the database says and what the disk has are the same."""

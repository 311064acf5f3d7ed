"""Floor 2: places where content lives, behind one small protocol."""

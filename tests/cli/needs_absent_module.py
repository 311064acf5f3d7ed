"""A command whose extra is not installed."""

import absent_module  # noqa: F401

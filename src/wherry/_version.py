"""Which version this is: stated here once, and read where it is said (`--version`, `User-Agent`)."""

__all__ = ["__version__"]

__version__ = "0.1.0.dev0"

"""Wherry: inspect, assemble, copy and serve multi-platform container images, without a daemon."""

__version__ = "0.1.0.dev0"

"""Registries of other people for tests of copying."""

from tests.peers import debian_registry

__all__ = ["debian_registry"]

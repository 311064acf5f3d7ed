"""Remote repositories: the registry client."""

from wherry.stores.remote.client import Client
from wherry.stores.remote.registry import Registry
from wherry.stores.remote.repository import Repository

__all__ = ["Client", "Registry", "Repository"]

"""The drafts of this machine, for the commands that change them."""

from wherry.cli.failures import say
from wherry.cli.session import docker_config
from wherry.stores.drafts import Drafts

__all__ = ["drafts_here"]


def drafts_here() -> Drafts:
    """Docker's drafts of this user; who has to wait for another process is told."""
    return Drafts(docker_config(), waiting=lambda: say("wherry: another command is changing drafts: waiting for it"))

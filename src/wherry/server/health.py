"""Whether the registry can serve: its folder and its database are there and can be used, and it is not about to stop."""

import logging
import os
from pathlib import Path

__all__ = ["Health"]

_log = logging.getLogger("wherry.server")

_FOLDERS = ("blobs", "uploads")


class Health:
    """Of the registry in a folder, which was opened before. `draining` is set when the server is about to stop."""

    def __init__(self, folder: Path) -> None:
        self.draining = False
        self._folder = folder
        self._database = folder / "registry.sqlite"
        self._inode = self._database.stat().st_ino
        self._told = ""

    def trouble(self) -> str:
        """What is wrong with the folder, in a few words; empty if nothing is. It is logged when it begins and when it ends."""
        found = self._look()
        if found != self._told:
            self._told = found
            if found:
                _log.error("%s; requests that need it are answered with 503 until that is mended", found)
            else:
                _log.warning("%s can be used again", self._folder)
        return found

    def _look(self) -> str:
        if not self._folder.is_dir():
            return f"the registry's folder {self._folder} is gone"
        try:
            inode = self._database.stat().st_ino
        except OSError as error:
            return f"the registry's database {self._database} cannot be used: {error.strerror}"
        if inode != self._inode:
            return f"the registry's database {self._database} is not the one that was opened: restart the server"
        for name in _FOLDERS:
            if not os.access(self._folder / name, os.R_OK | os.W_OK | os.X_OK):
                return f"{self._folder / name} is gone, or this user may not use it"
        return ""

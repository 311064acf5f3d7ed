"""TOML files that other tools' users wrote: read whole, and asked for their fields with words for what is wrong."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from wherry.oci.errors import RouteError

__all__ = ["Table", "read_toml"]


class Table(Struct, frozen=True):
    """A table of `file`; `where` is its place in it, for messages."""

    file: Path
    fields: Mapping[str, Any]
    where: str = ""

    def text(self, name: str) -> str:
        """A string; empty if it is absent."""
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else self._wrong(name, "must be a string")

    def flag(self, name: str) -> bool:
        """A boolean; False if it is absent."""
        value = self.fields.get(name, False)
        return value if isinstance(value, bool) else self._wrong(name, "must be true or false")

    def texts(self, name: str) -> list[str] | None:
        """A list of strings, or a lone one; None if it is absent."""
        value = self.fields.get(name)
        listed = [value] if isinstance(value, str) else value
        if listed is not None and not (isinstance(listed, list) and all(isinstance(each, str) for each in listed)):
            self._wrong(name, "must be a list of strings")
        return listed

    def table(self, name: str) -> "Table":
        """A table; empty if it is absent."""
        value = self.fields.get(name, {})
        return (
            Table(self.file, value, self._path(name)) if isinstance(value, dict) else self._wrong(name, "is no table")
        )

    def tables(self, name: str) -> Iterator["Table"]:
        """The tables of an array."""
        value = self.fields.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self._wrong(name, "must be a list of tables")
        yield from (Table(self.file, each, f"{self._path(name)}[{number}]") for number, each in enumerate(value))

    def error(self, reason: str) -> RouteError:
        """What to raise when the table as a whole makes no sense."""
        place = f"{self.where}: " if self.where else ""
        return RouteError(f"{self.file}: {place}{reason}", hint=f"mend {self.file}, or take it away")

    def _wrong(self, name: str, reason: str) -> Any:
        raise RouteError(f"{self.file}: {self._path(name)} {reason}", hint=f"mend {self.file}, or take it away")

    def _path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name


def read_toml(file: Path) -> Table | None:
    """The file's root table; None if there is no such file.

    Raises:
        RouteError: it cannot be read, or is no TOML.
    """
    try:
        text = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RouteError(f"{file}: {error.strerror or error}", hint=f"mend {file}, or take it away") from error
    import tomllib  # noqa: PLC0415  # most machines have no such file, and every command would pay

    try:
        return Table(file, tomllib.loads(text.decode("utf-8-sig")))  # editors on Windows put a mark there
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RouteError(f"{file}: it is not TOML: {error}", hint=f"mend {file}, or take it away") from error

"""What can be set, and where it is set: flags, then the environment, then the configuration file, then the default.

`SETTINGS` is the one table. The command's options, the names in the environment, the keys of the file, `--print-config`
and the table of the manual come from it. Values are texts until they are read here, wherever they come from.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum
from pathlib import Path
from typing import Any

from wherry.oci.errors import WherryError
from wherry.server.policy import Durability, Sparse
from wherry.server.setting_values import (
    address,
    address_or_none,
    folder,
    number,
    one_of,
    place,
    seconds,
    seconds_of_connection,
    seconds_or_none,
    size_or_none,
    size_up_to,
    some_seconds,
    switch,
)

__all__ = ["SETTINGS", "Configuration", "Setting", "SettingError", "Source", "configure", "read_file"]

_PREFIX = "WHERRY_"
_CONFIG = "WHERRY_CONFIG"
_MOST_WORKERS = 64
_LARGEST_MANIFEST = 256 * 2**20  # bytes; it is a value in a database, and in memory
_LARGEST_HEADER = 2**30


class SettingError(WherryError):
    """A setting has no such value, or there is no such setting."""


class Source(IntEnum):
    """Where a value comes from; the larger one wins."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    FLAG = 3


@dataclass(frozen=True, slots=True)
class Setting:
    """`name` is the key in the file, and the option less its dashes. `read` raises ValueError with what it wants."""

    name: str
    metavar: str
    default: str
    read: Callable[[str], Any]
    help: str

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return _PREFIX + self.name.upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Configuration:
    """The values, by name; and where each comes from: a text for people."""

    values: Mapping[str, Any]
    texts: Mapping[str, str]
    origins: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def printed(self) -> str:
        """A configuration file with these values, that says where each comes from."""
        return "".join(
            f"{name}: {_scalar(text)}  # {_line_of(self.origins[name])}\n" for name, text in self.texts.items()
        )


def configure(flags: Mapping[str, str | None], environment: Mapping[str, str], config: Path | None) -> Configuration:
    """Put everything together; `config` is the file that a flag names.

    Raises:
        SettingError: something is no setting, or has no such value; it says where.
    """
    _refuse_misspelt(environment)
    path = config or (Path(environment[_CONFIG]) if environment.get(_CONFIG) else None)
    file = {} if path is None else read_file(path)
    values, texts, origins, sources = {}, {}, {}, {}
    for setting in SETTINGS:
        name = setting.name
        text, source, origin = setting.default, Source.DEFAULT, "default"
        if name in file:
            text, line = file[name]
            source, origin = Source.FILE, f"{_line_of(str(path))}:{line}"
        if setting.variable in environment:
            text, source, origin = environment[setting.variable], Source.ENVIRONMENT, setting.variable
        flag = flags.get(name)
        if flag is not None:
            text, source, origin = flag, Source.FLAG, f"--{name}"
        try:
            values[name] = setting.read(text)
        except ValueError as error:
            where = origin if source in (Source.FLAG, Source.ENVIRONMENT) else f"{origin}: {name}"
            raise SettingError(f"{where}: {error}") from None
        texts[name], origins[name], sources[name] = text, origin, source
    if values["ephemeral"] and sources["data"] >= sources["ephemeral"]:
        raise SettingError(f"{origins['data']} and {origins['ephemeral']}: data and ephemeral exclude each other")
    return Configuration(values, texts, origins)


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    """Other variables of ours are none of our business here, but what looks like one of these was meant."""
    known = [setting.variable for setting in SETTINGS]
    for name in environment:
        if name.startswith(_PREFIX) and name not in known and (close := get_close_matches(name, known, 1, 0.9)):
            raise SettingError(f"{name} in the environment is no setting", hint=f"is {close[0]} meant?")


def read_file(path: Path) -> dict[str, tuple[str, int]]:
    """A configuration file: each setting's text, and its line.

    Raises:
        SettingError: it cannot be read, is no YAML, or has something in it that is no setting.
    """
    shown = _line_of(str(path))
    import yaml  # noqa: PLC0415  # 23 ms, only for who has such a file

    try:
        document = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise SettingError(f"{shown} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{shown} is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = 0 if error.problem_mark is None else error.problem_mark.line + 1
        raise SettingError(f"{shown}:{line}: this is no YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise SettingError(f"{shown} is no YAML: {' '.join(str(error).split())}") from error
    return {} if document is None else _read_document(shown, document)


def _read_document(path: str, document: Any) -> dict[str, tuple[str, int]]:
    """The settings of a file, from PyYAML's tree of nodes, which know their lines."""
    if document.id != "mapping":
        raise SettingError(f"{path}:{_line(document)}: settings are wanted here, for example `listen: 127.0.0.1:5000`")
    found: dict[str, tuple[str, int]] = {}
    for key, value in document.value:
        name, where = str(key.value), f"{path}:{_line(key)}"
        if name not in _BY_NAME:
            raise SettingError(f"{where}: {name!r} is no setting", hint=_what_is_known(name))
        if name in found:
            raise SettingError(f"{where}: {name} is set in line {found[name][1]} already")
        if value.id != "scalar":
            raise SettingError(f"{where}: {name} wants one value, and this is a {value.id}")
        found[name] = (value.value, _line(key))
    return found


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def _what_is_known(name: str) -> str:
    close = get_close_matches(name, _BY_NAME, 1)
    return f"is {close[0]} meant?" if close else "these are known: " + ", ".join(_BY_NAME)


def _scalar(text: str) -> str:
    """As YAML has it: plain, or in quotes; in double ones what is no print can be escaped."""
    if re.fullmatch(r"[A-Za-z0-9./_][A-Za-z0-9./_:-]*(?<!:)", text):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + _line_of(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _line_of(text: str) -> str:
    """A text in one line, with what is no print as YAML escapes it."""
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)


SETTINGS = (
    Setting("listen", "HOST:PORT", "127.0.0.1:5000", address, "Where to listen; port 0 takes a free one."),
    Setting(
        "metrics-listen",
        "HOST:PORT",
        "none",
        address_or_none,
        "Where /metrics, /healthz and /readyz are, and then only there; none: at the same address as all else.",
    ),
    Setting("data", "DIRECTORY", "registry", folder, "The registry's folder, made if it is missing."),
    Setting("ephemeral", "", "false", switch, "Keep nothing: use a temporary folder, and remove it at the end."),
    Setting("workers", "N", "1", number(1, _MOST_WORKERS), "How many processes serve the folder."),
    Setting(
        "allow-sparse",
        "[none|index|all]",
        "none",
        one_of(Sparse),
        "Take manifests while things that they name are missing: children of an index, or all.",
    ),
    Setting(
        "durability",
        "[full|relaxed]",
        "full",
        one_of(Durability),
        "What a 201 promises: that the content survives a power cut, or only the end of this process.",
    ),
    Setting("access-log", "[off|stderr|FILE]", "off", place, "Where to write a line of JSON for each request."),
    Setting(
        "max-manifest-size",
        "SIZE",
        "4M",
        size_up_to(_LARGEST_MANIFEST),
        "The largest manifest that is taken; what is larger is 413.",
    ),
    Setting("max-blob-size", "SIZE", "none", size_or_none, "The largest blob that is taken; what is larger is 413."),
    Setting(
        "max-uploads",
        "N",
        "1000",
        number(1, 1_000_000),
        "How many blobs may come in at once; more are 429, with Retry-After.",
    ),
    Setting("idle-timeout", "TIME", "60s", some_seconds, "How long a client may be silent in a body; then it is 408."),
    Setting("upload-timeout", "TIME", "6h", some_seconds, "How long the body of one request may take; then it is 408."),
    Setting(
        "header-timeout",
        "TIME",
        "2m",
        seconds_of_connection,
        "How long a request's head may take to come, and how long a connection may be idle before it.",
    ),
    Setting(
        "max-header-size",
        "SIZE",
        "408K",
        size_up_to(_LARGEST_HEADER),
        "How long a request's head may be, 8K or more; what is longer is 431.",
    ),
    Setting(
        "stall-timeout", "TIME", "5m", seconds_of_connection, "How long a client may take nothing of what it is sent."
    ),
    Setting("drain-timeout", "TIME", "10s", seconds, "How long requests may go on after SIGTERM."),
    Setting("drain-delay", "TIME", "0s", seconds, "How long /readyz says no before connections are refused."),
    Setting("upload-lifetime", "TIME", "24h", some_seconds, "How long an upload may lie untouched."),
    Setting("gc-interval", "TIME", "60s", some_seconds, "How long the garbage collector rests when nothing is due."),
    Setting("gc-lease", "TIME", "24h", seconds, "How long content stays that was pushed or confirmed, needed or not."),
    Setting("gc-grace", "TIME", "1h", seconds, "How long content stays that lost what needed it."),
    Setting(
        "delete-untagged-after", "TIME", "none", seconds_or_none, "How long a manifest stays that nothing leads to."
    ),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}

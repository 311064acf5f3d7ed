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

__all__ = ["SETTINGS", "Configuration", "Setting", "SettingError", "Source", "configure", "read_file"]

_PREFIX = "WHERRY_"
_CONFIG = "WHERRY_CONFIG"
_LARGEST_PORT = 65535
_MOST_WORKERS = 64


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
        return "".join(f"{name}: {_scalar(text)}  # {self.origins[name]}\n" for name, text in self.texts.items())


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
            source, origin = Source.FILE, f"{path}:{line}"
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
    import yaml  # noqa: PLC0415  # 23 ms, only for who has such a file

    try:
        document = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"{path} is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = 0 if error.problem_mark is None else error.problem_mark.line + 1
        raise SettingError(f"{path}:{line}: this is no YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise SettingError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    return {} if document is None else _read_document(path, document)


def _read_document(path: Path, document: Any) -> dict[str, tuple[str, int]]:
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
    """As YAML has it: in quotes unless it is plain."""
    return (
        text if re.fullmatch(r"[A-Za-z0-9./_-][A-Za-z0-9./_:-]*(?<!:)", text) else "'" + text.replace("'", "''") + "'"
    )


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not bare or (":" in bare and bare == host):
        raise ValueError(f"{text!r} is not of the form HOST:PORT, for example 127.0.0.1:5000")
    if not (port.isascii() and port.isdigit() and int(port[:9]) <= _LARGEST_PORT):
        raise ValueError(f"{port!r} is not a port: a number from 0 to {_LARGEST_PORT}")
    return bare, int(port)


def _address_or_none(text: str) -> tuple[str, int] | None:
    return None if text == "none" else _address(text)


def _folder(text: str) -> Path:
    if not text:  # a variable of a script that is not set, most likely; it would become the current folder
        raise ValueError("it names no folder")
    if Path(text).is_file():
        raise ValueError(f"{text} is a file, and a folder is wanted")
    return Path(text)


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError(f"{text!r} is neither true nor false")
    return _SWITCH[text.lower()]


_SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _choice(kind: type[Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            known = ", ".join(repr(each.value) for each in kind)
            raise ValueError(f"{text!r} is not one of {known}") from None

    return read


def _place(text: str) -> str:
    if not text:
        raise ValueError("it names no file; `off` writes no log")
    return text


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return read


def _size(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,15})([KMGT]?)(?:i?B)?", text)
    if not found:
        raise ValueError(f"{text!r} is not a size, for example 4M (K, M, G and T are powers of 1,024)")
    return int(found[1]) << 10 * " KMGT".index(found[2] or " ")


def _size_or_none(text: str) -> int | None:
    return None if text == "none" else _size(text)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)?", text)
    if not found:
        raise ValueError(f"{text!r} is not a time, for example 30s (ms, s, m, h and d are known)")
    return float(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2] or "s"]


def _some_seconds(text: str) -> float:
    seconds = _seconds(text)
    if seconds <= 0:
        raise ValueError(f"{text!r} is no time that anything could be done in")
    return seconds


def _seconds_or_none(text: str) -> float | None:
    return None if text == "none" else _seconds(text)


SETTINGS = (
    Setting("listen", "HOST:PORT", "127.0.0.1:5000", _address, "Where to listen; port 0 takes a free one."),
    Setting(
        "metrics-listen",
        "HOST:PORT",
        "none",
        _address_or_none,
        "Where /metrics, /healthz and /readyz are, and then only there; none: at the same address as all else.",
    ),
    Setting("data", "DIRECTORY", "registry", _folder, "The registry's folder, made if it is missing."),
    Setting("ephemeral", "", "false", _switch, "Keep nothing: use a temporary folder, and remove it at the end."),
    Setting("workers", "N", "1", _number(1, _MOST_WORKERS), "How many processes serve the folder."),
    Setting(
        "allow-sparse",
        "[none|index|all]",
        "none",
        _choice(Sparse),
        "Take manifests while things that they name are missing: children of an index, or all.",
    ),
    Setting(
        "durability",
        "[full|relaxed]",
        "full",
        _choice(Durability),
        "What a 201 promises: that the content survives a power cut, or only the end of this process.",
    ),
    Setting("access-log", "[off|stderr|FILE]", "off", _place, "Where to write a line of JSON for each request."),
    Setting("max-manifest-size", "SIZE", "4M", _size, "The largest manifest that is taken; what is larger is 413."),
    Setting("max-blob-size", "SIZE", "none", _size_or_none, "The largest blob that is taken; what is larger is 413."),
    Setting(
        "max-uploads",
        "N",
        "1000",
        _number(1, 1_000_000),
        "How many blobs may come in at once; more are 429, with Retry-After.",
    ),
    Setting("idle-timeout", "TIME", "60s", _some_seconds, "How long a client may be silent in a body; then it is 408."),
    Setting(
        "upload-timeout", "TIME", "6h", _some_seconds, "How long the body of one request may take; then it is 408."
    ),
    Setting("header-timeout", "TIME", "30s", _some_seconds, "How long a request's head may take to come."),
    Setting(
        "max-header-size", "SIZE", "408K", _size, "How long a request's head may be, 8K or more; what is longer is 431."
    ),
    Setting("stall-timeout", "TIME", "5m", _some_seconds, "How long a client may take nothing of what it is sent."),
    Setting("drain-timeout", "TIME", "10s", _seconds, "How long requests may go on after SIGTERM."),
    Setting("drain-delay", "TIME", "0s", _seconds, "How long /readyz says no before connections are refused."),
    Setting("upload-lifetime", "TIME", "24h", _some_seconds, "How long an upload may lie untouched."),
    Setting("gc-interval", "TIME", "60s", _some_seconds, "How long the garbage collector rests when nothing is due."),
    Setting("gc-lease", "TIME", "24h", _seconds, "How long content stays that was pushed or confirmed, needed or not."),
    Setting("gc-grace", "TIME", "1h", _seconds, "How long content stays that lost what needed it."),
    Setting(
        "delete-untagged-after", "TIME", "none", _seconds_or_none, "How long a manifest stays that nothing leads to."
    ),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}

"""Options that several commands of `wherry admin` have."""

from pathlib import Path

import click

__all__ = ["Seconds", "data_option", "json_option"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

data_option = click.option(
    "--data",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default="registry",
    show_default="./registry",
    help="The registry's folder; its server may run.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


class Seconds(click.ParamType[float]):
    """A time: a number and a unit, `s`, `m`, `h` or `d`."""

    name = "TIME"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the text."""
        if isinstance(value, float):
            return value
        number, unit = str(value)[:-1], str(value)[-1:]
        if not (number.isascii() and number.isdigit() and len(number) <= len("999999999") and unit in _UNITS):
            self.fail(f"{value!r} is not a time, for example 90s, 30m, 12h or 7d", param, ctx)
        return float(int(number) * _UNITS[unit])

"""Options that several commands have."""

import click

from wherry.cli.failures import Manner
from wherry.cli.quantities import read_duration, read_rate

__all__ = ["exit_codes_option", "insecure_option", "is_text", "limit_rate_option", "timeout_option"]

insecure_option = click.option(
    "--insecure", is_flag=True, help="Allow plain HTTP, and TLS certificates that nobody vouches for."
)
"""Every command has it that talks to registries."""

timeout_option = click.option(
    "--timeout", metavar="DURATION", callback=read_duration, help="Give up after so long: 30s, 5m, 1h."
)
limit_rate_option = click.option(
    "--limit-rate",
    metavar="RATE",
    callback=read_rate,
    help="From and to registries, read and send no more than so many bytes a second: 10M, 500K.",
)
"""Both are for commands that move or read blobs."""


def _ask_for_fine_codes(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  # click's signature
    manner = ctx.find_object(Manner)
    if value and manner is not None:
        manner.fine = True


exit_codes_option = click.option(
    "--exit-codes",
    is_flag=True,
    expose_value=False,
    callback=_ask_for_fine_codes,
    help="Tell failures apart by exit code: 3 absent, 4 refused, 5 network, 6 invalid.",
)
"""At the root it holds for every command; `wherry manifest`'s have it too."""


def is_text(argument: str) -> bool:
    """Whether an argument is text: Python stands odd bytes of the command line for halves of surrogate pairs."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True

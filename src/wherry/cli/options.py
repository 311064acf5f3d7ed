"""Options that several commands have."""

import click

from wherry.cli.failures import Manner

__all__ = ["exit_codes_option", "insecure_option", "is_text"]

insecure_option = click.option(
    "--insecure", is_flag=True, help="Allow plain HTTP, and TLS certificates that nobody vouches for."
)
"""Every command has it that talks to registries."""


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

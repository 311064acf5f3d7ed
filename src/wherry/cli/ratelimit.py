"""`wherry ratelimit`."""

import click

from wherry.cli.json_output import print_json
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.cli.tables import printable
from wherry.oci.reference import Reference
from wherry.oci.wire.limits import RateLimit
from wherry.stores.locations import parse_remote

__all__ = ["ratelimit"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@click.command(short_help="Show how many pulls a registry still allows.")
@click.argument("reference")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON; what is not told is null.")
@insecure_option
def ratelimit(reference: str, *, as_json: bool, insecure: bool) -> None:
    """Show how many pulls the registry of REFERENCE allows, how many are left, and in which time: what it says when it is asked with
    HEAD for that image, which counts as no pull.

    Docker Hub keeps an image for the question: ratelimitpreview/test.
    """
    place = parse_remote(reference)
    limit = run(_asked(place, insecure=insecure))
    if as_json:
        document = {
            "registry": place.registry,
            "limit": limit.limit if limit else None,
            "remaining": limit.remaining if limit else None,
            "window": limit.window if limit else None,
            "source": (limit.source if limit else None) or None,
        }
        print_json(document)
    elif limit is None:
        click.echo(f"{place.registry} tells no rate limit")
    else:
        click.echo(f"{place.registry}: {printable(_words(limit))}")


async def _asked(place: Reference, *, insecure: bool) -> RateLimit | None:
    async with open_client(insecure=insecure) as client:
        return await client.repository(place).rate_limit(place.name)


def _words(limit: RateLimit) -> str:
    window = f", in {_time(limit.window)}" if limit.window else ""
    source = f" (counted for {limit.source})" if limit.source else ""
    return f"{limit.remaining} of {limit.limit} pulls left{window}{source}"


def _time(seconds: float) -> str:
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"

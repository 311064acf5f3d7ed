"""`wherry copy`."""

import click

from wherry.cli.copy_request import TagsOf, pair_of, pairs_of_file
from wherry.cli.copy_result import (
    conversion,
    narrowing,
    plan_line,
    summary,
    totals_document,
    totals_summary,
    what_was_copied,
)
from wherry.cli.copy_running import Done, Told, next_time, run_many, run_one
from wherry.cli.failures import ExitCode, Manner, hint_of, say, stopped_by, words_of
from wherry.cli.options import insecure_option, limit_rate_option, timeout_option
from wherry.cli.platforms import read_platforms
from wherry.cli.transfer import print_event
from wherry.oci.platform import Platform
from wherry.ops.copy import JOBS
from wherry.ops.errand import Options
from wherry.ops.tag_choice import InvalidRange, choose_tags

__all__ = ["copy"]


def _read_range(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    try:
        choose_tags((), versions=value)
    except InvalidRange as error:
        raise click.BadParameter(f"{value!r} is {error.reason}: {error.hint}") from None
    return value


@click.command(short_help="Copy images, whole, from one place to another.")
@click.argument("source", required=False)
@click.argument("destination", required=False)
@click.option("--all-tags", is_flag=True, help="Copy every tag of the repository SOURCE to the repository DESTINATION.")
@click.option(
    "--filter", "globs", metavar="GLOB", multiple=True, help="Of all tags, those that match; may be repeated."
)
@click.option(
    "--semver",
    "versions",
    metavar="RANGE",
    callback=_read_range,
    help="Of all tags, the versions in this range: '>=1.4 <2'.",
)
@click.option(
    "--from-file", "from_file", metavar="FILE", help="Copy what the lines SOURCE DESTINATION of a file say; - is stdin."
)
@click.option(
    "--platform",
    "platforms",
    metavar="PLATFORM",
    multiple=True,
    callback=read_platforms,
    help="Copy this platform only; may be repeated.",
)
@click.option("--sparse", is_flag=True, help="With --platform, keep the index as it is, and its digest.")
@click.option("--unwrap", is_flag=True, help="With --platform, copy the image that is left, without an index.")
@click.option("-r", "--referrers", is_flag=True, help="Copy signatures, SBOMs and attestations too.")
@click.option("--foreign", is_flag=True, help="Move layers too that their author says need not be in a registry.")
@click.option(
    "--convert-schema1", is_flag=True, help="Make a schema 2 image of a signed schema 1 one: its digest is new."
)
@click.option(
    "--recheck", is_flag=True, help="Look at every blob, also of images that are there; read those on this machine."
)
@click.option("--dry-run", is_flag=True, help="Say what would be moved, and move nothing.")
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1, 64),
    default=JOBS,
    show_default=True,
    help="Large blobs that are moved at the same time.",
)
@timeout_option
@limit_rate_option
@insecure_option
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but the result, and what fails.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print what happens as JSON, an event a line; the last is the result."
)
@click.pass_context
def copy(
    context: click.Context,
    source: str | None,
    destination: str | None,
    *,
    all_tags: bool,
    globs: tuple[str, ...],
    versions: str | None,
    from_file: str | None,
    platforms: tuple[Platform, ...],
    sparse: bool,
    unwrap: bool,
    referrers: bool,
    foreign: bool,
    convert_schema1: bool,
    recheck: bool,
    dry_run: bool,
    jobs: int,
    timeout: float | None,
    limit_rate: int | None,
    insecure: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Copy everything that SOURCE leads to, to DESTINATION: an index with all its platforms, byte for byte.

    Both are references (REGISTRY/REPOSITORY[:TAG][@DIGEST]), OCI layouts on this machine (oci:DIR[:TAG]), or archives:
    oci-archive:FILE[:TAG], docker-archive:FILE[:NAME[:TAG]] (for `docker load`). Without a tag at DESTINATION it keeps the one that it has at SOURCE. What is there already is not moved again, and what was cut short
    is finished by the same command. Prints where it is now, with its digest.

    With --all-tags, or with `wherry copy -` and lines SOURCE DESTINATION on standard input, many images are copied by one
    process: what they share is moved once, and the failure of one does not stop the others.
    """
    if source == "-" and destination is None and from_file is None:
        source, from_file = None, "-"
    _check_usage(source, destination, from_file, all_tags=all_tags, chosen=bool(globs) or versions is not None)
    if (sparse or unwrap) and not platforms:
        raise click.UsageError("--sparse and --unwrap say how --platform is meant")
    if sparse and unwrap:
        raise click.UsageError("--sparse keeps the index, and --unwrap leaves it out: only one can be")
    options = Options(
        platforms=platforms,
        sparse=sparse,
        unwrap=unwrap,
        referrers=referrers,
        foreign=foreign,
        convert_schema1=convert_schema1,
        recheck=recheck,
        dry_run=dry_run,
    )
    told = Told(options, jobs, insecure, timeout, limit_rate, quiet, as_json)
    try:
        if from_file is not None:
            return _tell_many(run_many(told, pairs_of_file(from_file)), told, context)
        assert source is not None and destination is not None  # noqa: S101, PT018  # _check_usage has seen to it
        if all_tags:
            return _tell_many(run_many(told, TagsOf(source, destination, globs, versions)), told, context)
        return _tell_one(run_one(told, pair_of(source, destination)), told)
    except KeyboardInterrupt as stop:
        word, code = stopped_by(stop)
        if as_json:
            print_event("stopped", {"error": word, "hint": next_time(destination)})
        say(f"wherry: {word}: {next_time(destination)}")
        return code


def _check_usage(
    source: str | None, destination: str | None, from_file: str | None, *, all_tags: bool, chosen: bool
) -> None:
    if from_file is not None and (source is not None or all_tags):
        raise click.UsageError("with --from-file, the file says what is copied, and where to")
    if from_file is None and (source is None or destination is None):
        raise click.UsageError("SOURCE and DESTINATION are needed")
    if chosen and not all_tags:
        raise click.UsageError("--filter and --semver choose among --all-tags")


def _tell_one(done: Done, told: Told) -> int:
    copied = done.copied
    assert copied is not None  # noqa: S101  # a failure has been raised
    dry_run = told.options.dry_run
    note = conversion(copied) or narrowing(copied)
    if note and not told.quiet:
        say(note)
    if told.as_json:
        print_event("result", what_was_copied(done.place, copied) | ({"dryRun": True} if dry_run else {}))
    elif dry_run:
        click.echo(plan_line(done.origin, done.place, copied))
    else:
        if not told.quiet:
            say(summary(copied))
        click.echo(done.place)
    return ExitCode.OK


def _tell_many(all_done: list[Done], told: Told, context: click.Context) -> int:
    dry_run = told.options.dry_run
    copied = [done.copied for done in all_done if done.copied is not None]
    failed = [done for done in all_done if done.error is not None]
    if not told.as_json:
        lines = [
            plan_line(done.origin, done.place, done.copied) if dry_run else done.place
            for done in all_done
            if done.copied is not None
        ]
        click.echo("".join(f"{line}\n" for line in lines), nl=False)
    if not told.quiet and not told.as_json:
        say(totals_summary(copied, len(failed), dry_run=dry_run))
    for done in failed:
        assert done.error is not None  # noqa: S101  # it has failed
        say(f"wherry: {done.origin} to {done.place}: {words_of(done.error)}")
        hint = hint_of(done.error)
        if hint:
            say(f"try: {hint}")
    if told.as_json:
        print_event("result", totals_document(copied, len(failed)) | ({"dryRun": True} if dry_run else {}))
    manner = context.find_object(Manner) or Manner()
    return manner.code_of_all(done.error for done in failed if done.error is not None)

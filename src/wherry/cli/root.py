"""The command line's root: which commands there are, and where each one lives."""

import os
from collections.abc import Sequence
from contextlib import suppress

import click

from wherry._version import __version__
from wherry.cli.failures import ExitCode, Manner, exit_code_of, guarded
from wherry.cli.lazy import ExtraMissing, LazyGroup, Place
from wherry.cli.options import exit_codes_option

__all__ = ["ALIASES", "COMMANDS", "SECTIONS", "root", "run"]

SECTIONS = {
    "Images": {
        "inspect": Place("wherry.cli.inspect:inspect", "Show what a reference leads to: platforms, sizes, digests."),
        "ls": Place("wherry.cli.ls:ls", "List the repositories of a registry, or the tags of a repository."),
        "digest": Place("wherry.cli.digest:digest", "Print the digest of what a reference leads to."),
        "config": Place("wherry.cli.config:config", "Print the config of an image."),
        "diff": Place("wherry.cli.diff:diff", "Compare what two references lead to."),
        "check": Place("wherry.cli.check:check", "Verify everything that a reference leads to."),
        "tag": Place("wherry.cli.tag:tag", "Put more tags on an image that is there."),
        "rm": Place("wherry.cli.rm:rm", "Delete a tag, or a manifest with all its tags."),
    },
    "Copying": {
        "copy": Place("wherry.cli.copy:copy", "Copy an image, whole, from one place to another."),
    },
    "Indexes, and docker manifest": {
        "index": Place("wherry.cli.index:index", "Assemble an index in one step, and change one in place."),
        "manifest": Place("wherry.cli.manifest:manifest", "Assemble multi-platform images, as `docker manifest` does."),
    },
    "Registries": {
        "login": Place("wherry.cli.login:login", "Log in to a registry, and keep the credential."),
        "logout": Place("wherry.cli.logout:logout", "Forget the credential for a registry."),
        "doctor": Place("wherry.cli.doctor:doctor", "Show the way to a registry, and what is wrong with it."),
        "ratelimit": Place("wherry.cli.ratelimit:ratelimit", "Show how many pulls a registry still allows."),
    },
    "Serving": {
        "serve": Place("wherry.cli.serve:serve", "Run a registry.", extra="server"),
        "admin": Place("wherry.cli.admin:admin", "Look after a registry's folder: collect, check, repair."),
    },
}
"""As `wherry --help` shows them: what belongs together, the most asked for first."""

COMMANDS = {name: place for section in SECTIONS.values() for name, place in section.items()}

ALIASES = {"cp": "copy"}

COMPLETION = "_WHERRY_COMPLETE"
"""Set by the shell's completion script (click's convention)."""


@click.group(
    cls=LazyGroup,
    places=COMMANDS,
    sections=SECTIONS,
    aliases=ALIASES,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command explains itself with --help. Exit codes: 0 done, 1 failed (diff: they differ), 2 not understood "
    "(manifest: 125), 130 interrupted; with --exit-codes failures are told apart.",
)
@click.version_option(__version__, message="wherry %(version)s")
@exit_codes_option
def root() -> None:
    """Inspect, assemble, copy and serve multi-platform container images, without a daemon."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; a command's own code is the integer that it returns."""
    if COMPLETION in os.environ:
        with suppress(ExtraMissing):  # to be told when the command is run, and not in the middle of typing
            root.main(list(arguments), prog_name="wherry")  # answers the shell, and exits
        return ExitCode.FAILED
    manner = Manner.of(os.environ)
    return guarded(lambda: _dispatch(list(arguments), manner), manner)


def _dispatch(arguments: list[str], manner: Manner) -> int:
    """What click's own `main` does, but for its way with failures: it takes a broken pipe for one, and exits."""
    try:
        with root.make_context("wherry", arguments, obj=manner) as context:
            return exit_code_of(root.invoke(context))
    except click.exceptions.Exit as leaving:
        return leaving.exit_code

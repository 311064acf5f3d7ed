"""Flags, numbers of arguments and exit codes are docker's."""

import pytest

from tests.content import an_image


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("inspect", "--bogus", "x"), 125, "unknown flag: --bogus"),
        (("create", "-i", "a", "b"), 125, "unknown shorthand flag: 'i' in -i"),
        (("annotate", "a", "b", "--os"), 125, "flag needs an argument: --os"),
        (("inspect", "--insecure=maybe", "x"), 125, "Option '--insecure' does not take a value."),
        (("inspect",), 1, "wherry: 'wherry manifest inspect' requires at least 1 and at most 2 arguments"),
        (("create", "a"), 1, "wherry: 'wherry manifest create' requires at least 2 arguments"),
        (("push",), 1, "wherry: 'wherry manifest push' requires 1 argument"),
        (("rm",), 1, "wherry: 'wherry manifest rm' requires at least 1 argument"),
        (("bogus",), 1, "wherry: unknown command: wherry manifest bogus"),
        (("--bogus",), 125, "unknown flag: --bogus"),
    ],
)
async def test_misuse_is_told_as_docker_tells_it(wherry, arguments, code, words) -> None:
    done = await wherry("manifest", *arguments)
    assert (done.code, done.out) == (code, b"")
    assert done.err.splitlines()[0] == words
    assert "Usage: wherry manifest" in done.err


async def test_switches_take_gos_booleans(registry, wherry, pushed) -> None:
    name = await pushed(an_image(), "team/app:1")
    for yes in ("--insecure=true", "--insecure=1", "--insecure=T"):
        assert (await wherry("manifest", "inspect", yes, name)).code == 0
    no = await wherry("manifest", "inspect", "--insecure=false", name)
    assert (no.code, "--insecure" in no.err) == (1, True)
    last = await wherry("manifest", "inspect", "--insecure", "--insecure=true", "--insecure=false", name)
    assert (last.code, "--insecure" in last.err) == (1, True)
    assert (await wherry("manifest", "inspect", "--insecure=false", "--insecure", name)).code == 0
    other = await wherry("manifest", "inspect", "--insecure", "-v", "--verbose=false", name)
    assert b"Descriptor" not in other.out
    rest = await wherry("manifest", "inspect", "--", "--insecure=true")
    assert (rest.code, rest.err.startswith("invalid reference format")) == (1, True)


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", ["annotate", "create", "inspect", "ls", "prune", "push", "rm"])
async def test_help_is_a_result(wherry, command, flag) -> None:
    done = await wherry("manifest", command, flag)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].startswith(f"Usage: wherry manifest {command} ")


@pytest.mark.parametrize("asked", ["flag", "root flag", "variable"])
async def test_finer_exit_codes_are_asked_for(registry, wherry, monkeypatch, asked) -> None:
    absent = f"{registry.address}/team/app:absent"
    command = ["manifest", "inspect", "--insecure", absent]
    assert (await wherry(*command)).code == 1
    if asked == "variable":
        monkeypatch.setenv("WHERRY_EXIT_CODES", "1")
    elif asked == "flag":
        command.insert(2, "--exit-codes")
    else:
        command.insert(0, "--exit-codes")
    assert (await wherry(*command)).code == 3
    command[-1] = "127.0.0.1:1/closed/port:1"
    assert (await wherry(*command)).code == 5
    command[-1] = "NOT/A/NAME:x"
    assert (await wherry(*command)).code == 6

"""Where settings come from, which of them wins, and what is said when one is wrong."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.asking import ask
from wherry.server.listening import Limits
from wherry.server.policy import Durability
from wherry.server.running import running
from wherry.server.settings import SETTINGS, SettingError, configure

MANUAL = Path(__file__).parents[2] / "docs" / "manual" / "serve.md"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "wherry.yaml"


def test_flags_win_over_the_environment_over_the_file_over_defaults(file):
    file.write_text("max-uploads: 1\nidle-timeout: 1m\ndurability: relaxed\n")
    found = configure(
        {"max-uploads": "3", "listen": None}, {"WHERRY_MAX_UPLOADS": "2", "WHERRY_IDLE_TIMEOUT": "2m"}, file
    )
    assert (found["max-uploads"], found["idle-timeout"], found["durability"]) == (3, 120.0, Durability.RELAXED)
    assert found["listen"] == ("127.0.0.1", 5000)
    assert found.origins["max-uploads"] == "--max-uploads"
    assert found.origins["idle-timeout"] == "WHERRY_IDLE_TIMEOUT"
    assert found.origins["durability"] == f"{file}:3"
    assert found.origins["listen"] == "default"


def test_what_is_printed_is_a_file_with_the_same_values(file):
    first = configure({"data": "it's: a #folder", "max-blob-size": "5G"}, {"WHERRY_LISTEN": "[::1]:0"}, None)
    file.write_text(first.printed())
    assert configure({}, {}, file).values == first.values
    assert list(yaml.safe_load(first.printed())) == [setting.name for setting in SETTINGS]
    assert "listen: '[::1]:0'  # WHERRY_LISTEN" in first.printed()


@pytest.mark.parametrize(
    "text",
    [
        "-",
        "--",
        "---",
        "-x",
        "a\nb",
        "a\tb",
        "\x1b[0m",
        "\udcff",
        "\\",
        '"\\\n',
        " a ",
        "é",
        "\x85",
        "\u2028",
        "a: b",
        "a #b",
        "~",
        "\ufeff",
    ],
    ids=ascii,
)
def test_a_value_is_printed_so_that_it_is_read_back(file, text):
    reads_back(file, text)


def reads_back(file: Path, text: str) -> None:
    found = configure({"data": text, "access-log": text}, {}, None)
    file.write_bytes(found.printed().encode())
    assert len(found.printed().split("\n")) == len(SETTINGS) + 1
    assert configure({}, {}, file).texts == found.texts


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_text_is_printed_so_that_it_is_read_back(file, text):
    reads_back(file, text)


def test_where_a_value_comes_from_is_told_in_one_line(tmp_path):
    file = tmp_path / "a\nlisten: b\x1b"
    file.write_text("max-uploads: 5\n")
    printed = configure({}, {}, file).printed()
    assert f"max-uploads: 5  # {tmp_path}/a\\U0000000alisten: b\\U0000001b:1\n" in printed
    file.write_text("max-uploads: x\n")
    for wrong in (file, tmp_path / "no\nfile"):
        with pytest.raises(SettingError) as caught:
            configure({}, {}, wrong)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["data", "access-log"])
@pytest.mark.parametrize("value", ["\\0", "a\\0b", "\\ud800"])
def test_what_no_path_can_be_is_refused(file, name, value):
    file.write_text(f'{name}: "{value}"')
    with pytest.raises(SettingError, match=f":1: {name}: ") as caught:
        configure({}, {}, file)
    assert "\n" not in str(caught.value)


def test_a_folder_whose_name_is_too_long_is_refused():
    with pytest.raises(SettingError, match=r"^--data: .* cannot be used"):
        configure({"data": "x" * 5000}, {}, None)


TOO_MUCH = {setting.name: ["36501d", "999999999d"] for setting in SETTINGS if setting.metavar == "TIME"} | {
    "workers": ["65", "999999999", "9" * 30],
    "max-uploads": ["1000001", "9" * 30],
    "max-manifest-size": ["257M", "999999999999999T"],
    "max-blob-size": ["8388608T", "999999999999999T"],
    "max-header-size": ["1025M", "99999999T"],
    "header-timeout": ["25d", "0.0001s"],
    "stall-timeout": ["25d", "2073601", "0.0001s"],
    "listen": ["h:65536", "h:00000000000099999999"],
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_value_that_nothing_could_hold_is_refused(file, name):
    for text in TOO_MUCH[name]:
        file.write_text(f"{name}: {text}")
        variable = f"WHERRY_{name.upper().replace('-', '_')}"
        for flags, environment, path in (({name: text}, {}, None), ({}, {variable: text}, None), ({}, {}, file)):
            with pytest.raises(SettingError) as caught:
                configure(flags, environment, path)
            assert "\n" not in str(caught.value)


def test_connections_are_kept_for_longer_than_proxies_keep_theirs():
    of = configure({}, {}, None)
    assert of["header-timeout"] > 90  # Go's, which Traefik and Caddy have; nginx and AWS: 60
    assert Limits(of["header-timeout"], of["max-header-size"], of["stall-timeout"]) == Limits()


async def test_what_is_just_not_refused_is_served_with(tmp_path):
    most = {"stall-timeout": "24d", "header-timeout": "24d", "max-header-size": "1G"}
    of = configure(most, {}, None)
    limits = Limits(of["header-timeout"], of["max-header-size"], of["stall-timeout"])
    async with running(data=tmp_path, limits=limits) as server:
        assert (await ask(server, "GET", "/v2/")).status == 200


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("lisen: x", 1, "'lisen' is no setting"),
        ("\nlisten: [a, b]", 2, "listen wants one value, and this is a sequence"),
        ("data: x\ndata: y", 2, "data is set in line 1 already"),
        ("- a", 1, "settings are wanted here"),
        ("data: x\n  listen: y", 2, "this is no YAML"),
        ("data: 'x", 1, "this is no YAML"),
        ("\n\nmax-uploads: many", 3, "max-uploads: 'many' is not a number"),
        ("ephemeral: perhaps", 1, "'perhaps' is neither true nor false"),
        ("max-blob-size: 5 apples", 1, "is not a size"),
        ("idle-timeout: 0", 1, "is no time"),
        ("listen: localhost", 1, "is not of the form HOST:PORT"),
        ("max-uploads: 0", 1, "is not a number from 1"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(file, text, line, said):
    file.write_text(text)
    with pytest.raises(SettingError) as caught:
        configure({}, {}, file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"data: \x00"])
def test_a_file_that_is_no_text_is_told(file, content):
    file.write_bytes(content)
    with pytest.raises(SettingError, match=r"wherry\.yaml"):
        configure({}, {}, file)


def test_a_file_that_is_not_there_is_told(file):
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        configure({}, {"WHERRY_CONFIG": str(file)}, None)


def test_an_empty_file_sets_nothing(file):
    file.write_text("# nothing\n")
    assert set(configure({}, {}, file).origins.values()) == {"default"}


def test_a_misspelt_variable_is_told_and_a_foreign_one_is_not():
    with pytest.raises(SettingError, match="WHERRY_LISTN") as caught:
        configure({}, {"WHERRY_LISTN": "x"}, None)
    assert caught.value.hint == "is WHERRY_LISTEN meant?"
    configure({}, {"WHERRY_EXIT_CODES": "1", "WHERRY_DEBUG": "1", "WHERRY_CERTS_D": "x"}, None)


def test_a_wrong_variable_is_told_by_its_name():
    with pytest.raises(SettingError, match=r"^WHERRY_MAX_UPLOADS: 'x' is not a number"):
        configure({}, {"WHERRY_MAX_UPLOADS": "x"}, None)


def test_ephemeral_as_an_option_wins_over_a_folder_in_the_file(file):
    file.write_text("data: x")
    assert configure({"ephemeral": "true"}, {}, file)["ephemeral"]
    file.write_text("data: x\nephemeral: true")
    with pytest.raises(SettingError, match="exclude each other"):
        configure({}, {}, file)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_manual_has_each_setting_as_the_code_has_it(setting):
    option = f"--{setting.name} {setting.metavar}".strip().replace("|", "\\|")
    row = f"| `{option}` | `{setting.variable}` | `{setting.default}` | {setting.help} |"
    assert row in MANUAL.read_text().splitlines()

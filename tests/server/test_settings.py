"""Where settings come from, which of them wins, and what is said when one is wrong."""

from pathlib import Path

import pytest
import yaml

from wherry.server.policy import Durability
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

import json
import os

import pytest

from wherry.cli.json_output import encoded, print_json


@pytest.mark.parametrize("place", ["oci:p\udcff", os.fsdecode(b"\xe4\xb8")])
def test_a_file_name_that_is_not_utf_8_is_shown_as_far_as_it_can_be(capsys, place: str) -> None:
    document = {"place": place, place: [{"path": (place, 1)}], "whole": "ä", "none": None}
    print_json(document)
    shown = place.encode(errors="surrogateescape").decode(errors="replace")
    expected = {"place": shown, shown: [{"path": [shown, 1]}], "whole": "ä", "none": None}
    assert json.loads(capsys.readouterr().out) == expected
    assert json.loads(encoded(document)) == expected
    assert encoded(document).count(b"\n") == 0

"""A part of the page is one folder and one line of the page's list, and one line of `PARTS` if a server computes it."""

import parts
from parts import having

from ui.web import FILES


def test_every_folder_is_a_part_of_the_list_and_has_what_it_needs():
    folders = {folder.name for folder in (FILES / "parts").iterdir() if folder.is_dir()}
    assert folders - {"fetch"} == {*parts.LISTED} and parts.FORMS != parts.ON_PAGE != parts.WITH_RUNS  # all are read
    assert {*having("plan.js")} == {*having("compute.js")} and {*having("plan.js")} <= {*parts.FORMS}
    assert {*parts.WITH_RUNS} <= {*having("example.json")}


def test_what_a_server_computes_is_a_part_of_the_page():
    assert parts.ON_SERVER - {"fetch"} <= {*parts.LISTED}
    assert {"watch", "sketch", "likelihood"} <= parts.ON_SERVER and "plane" not in parts.ON_SERVER

"""The requirements files, the package's metadata and CONTRIBUTING.md agree."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
APP = ("gradio", "segno", "accelerate", "filelock")  # what the page needs and the library does not


def lines(name: str) -> list[str]:
    """The requirements of a file, without comments and -r."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and line[0] not in "#-"]


def strings(name: str) -> list[str]:
    """The list of strings of that name in pyproject.toml (Python 3.10 has no tomllib)."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'"([^"]+)"', re.search(rf"^{name} = \[(.*?)\](?:  #.*)?$", text, re.M | re.S).group(1))


def test_the_library_and_the_app_ask_for_the_same_versions():
    app = [line for line in lines("requirements.txt") if not line.startswith(APP)]
    assert app == strings("dependencies") + strings("openvino") + strings("words")


def test_every_requirement_is_a_range_whose_lower_end_is_in_the_table():
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for line in lines("requirements.txt") + lines("requirements-dev.txt") + lines("course/requirements.txt"):
        name, lowest = re.match(r"([\w-]+)>=([\d.]+)", line).groups()
        assert "==" not in line.split(";")[0]
        assert re.search(rf"^\| {name} \| {re.escape(lowest)} \|", table, re.M), f"{name} {lowest} is not in the table"

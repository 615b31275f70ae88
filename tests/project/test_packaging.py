"""The requirements files, the package's metadata, the workflows and the documents agree."""

import re
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path

import pytest

from ddpm_core.python_versions import FIRST, LAST

ROOT = Path(__file__).parents[2]
APP = ("gradio", "segno")  # what the page needs and the library does not


def lines(name: str) -> list[str]:
    """The requirements of a file, without comments and -r."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and line[0] not in "#-"]


def strings(name: str) -> list[str]:
    """The list of strings of that name in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return (project | project["optional-dependencies"])[name]


def test_the_library_and_the_app_ask_for_the_same_versions():
    app = [line for line in lines("requirements.txt") if not line.startswith(APP)]
    assert app == strings("dependencies") + strings("openvino") + strings("words")


def test_every_requirement_is_a_range_whose_lower_end_is_in_the_table():
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for line in lines("requirements.txt") + lines("requirements-dev.txt") + lines("course/requirements.txt"):
        name, lowest = re.match(r"([\w-]+)>=([\d.]+)", line).groups()
        assert "==" not in line.split(";")[0]
        assert re.search(rf"^\| {name} \| {re.escape(lowest)} \|", table, re.M), f"{name} {lowest} is not in the table"


def test_every_place_promises_the_same_versions_of_python():
    text = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md", ".ci/run")}
    ci, pages = ((ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8") for name in ("ci", "pages"))
    first, last = (".".join(map(str, version)) for version in (FIRST, LAST))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["requires-python"] == f">={first},<{LAST[0]}.{LAST[1] + 1}"
    assert project["tool"]["ruff"]["target-version"] == "py" + first.replace(".", "")
    assert project["tool"]["pyright"]["pythonVersion"] == first
    assert re.findall(r'python: "([\d.]+)"', ci) == [first, last]
    assert f"need Python {first} to {last}," in text["README.md"]
    assert f"Python {first} and the lowest versions, and with {last} and the newest" in text["CONTRIBUTING.md"]
    named = "\n".join([*text.values(), pages])
    for minor in re.findall(r"\bpython[^\d\n]{0,12}3\.(\d\d?)\b", named, re.I):
        assert FIRST <= (3, int(minor)) <= LAST


def test_every_place_has_the_same_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version = {{{version}}}" in (ROOT / "README.md").read_text(encoding="utf-8")  # its BibTeX


@pytest.mark.parametrize("version", [(3, 10), (3, LAST[1] + 1)])
@pytest.mark.parametrize("start", ["app", "train", "ddpm_core"])
def test_another_python_is_told_in_one_sentence_which_ones_will_do(start, version):
    program = f"import runpy, sys; sys.version_info = {(*version, 0)}; runpy.run_module({start!r}, run_name='__main__')"
    words = [sys.executable, "-S", "-c", program]  # without site-packages, as where the first command has failed
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    sentence = f"DDPM Lab needs Python 3.11 to 3.14, and this is Python 3.{version[1]}: make the environment"
    assert found.returncode == 1 and found.stdout == "" and found.stderr.startswith(sentence)
    assert found.stderr.count("\n") == 1


def test_what_people_download_stays_small():
    """A clone of depth 1 holds these files, and the wheel two folders of them, compressed as git and zip do it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    sizes = {path: path.stat().st_size * _compression(path) for path in paths}
    packed = [path for path in paths if path.relative_to(ROOT).parts[0] in ("ddpm_core", "checkpoints")]
    assert sum(sizes.values()) < 80e6
    assert sum(sizes[path] for path in packed) < 74e6


def _compression(path: Path) -> float:
    """How much is left of 100 kB in the middle of a file, where weights are no longer their list of names."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size // 2 - 50_000))
        part = file.read(100_000)
    return len(zlib.compress(part)) / len(part) if part else 1.0

"""The documents: their links lead somewhere, their examples run, their commands have the flags that they name."""

import ast
import importlib
import re
from collections.abc import Iterator
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, generate_tokens

import pytest
import torch

import app
import ddpm_core.__main__
import train.__main__
from ddpm_core.checkpoint.refs import FILES
from ddpm_core.samplers import DEFAULTS
from ui.models.catalogue import OFFERED

ROOT = Path(__file__).parents[2]
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for pattern in ("*.md", "docs/**/*.md", "course/*.md", "checkpoints/*/README.md", "ddpm_core/data/*.md")
    for path in sorted(ROOT.glob(pattern))
}
README, CONTRIBUTING = DOCUMENTS["README.md"], DOCUMENTS["CONTRIBUTING.md"]
PAGES = [name for name in DOCUMENTS if name.startswith("docs/library")]
OWN_NETWORK = "docs/library/networks.md"


def blocks(text: str, *languages: str) -> list[str]:
    return [code for language, code in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S) if language in languages]


def anchors(text: str) -> set[str]:
    """Those that GitHub makes of the headings."""
    titles = re.findall(r"^#+ (.*)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    prose = re.sub(r"^```.*?^```|`[^`]*`", "", DOCUMENTS[name], flags=re.M | re.S)
    for link in re.findall(r"\]\(((?!https?:)[^)\s]+)\)", prose):
        file, _, anchor = link.partition("#")
        target = (ROOT / name).parent / file if file else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("option", DEFAULTS)
def test_every_option_of_a_sampler_has_its_line(option):
    assert f"\n| `{option}` of `" in DOCUMENTS["docs/library/choices.md"]


def test_the_readme_is_short_and_tests_as_ci_does():
    assert README.split("---", 2)[2].count("\n") <= 80  # below the Space's settings
    command = "\npython -m pytest\n"
    assert command in README and command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.usefixtures("torch_engine")
@pytest.mark.parametrize("name", ["README.md", *(page for page in PAGES if blocks(DOCUMENTS[page], "python"))])
def test_examples_of_a_page_run_one_after_the_other(name, tmp_path, monkeypatch):
    """The first of a page stands alone: no page needs another."""
    monkeypatch.chdir(tmp_path)
    names = {}
    code_of_page = blocks(DOCUMENTS[name], "python")
    if name == OWN_NETWORK:
        code_of_page = code_of_page[5:]  # the tests below run the others
    for code in code_of_page:
        if "ode_log_prob" in code and not find_spec("scipy"):
            continue
        code = re.sub(r"steps=[12]0\b", "steps=4", code)  # a fifth of the work
        if "invert" in code:
            code = re.sub(r"\b50\b", "4", code)
        exec(compile(code, name, "exec"), names)
    if "images" in names:
        assert names["images"].std() > 20
    if "flow" in names:
        assert abs(names["flow"].log_prob.item() - 3.7616) < 1e-4
    if "led" in names:  # by a classifier: all are of its class, whose deviation 0.06 DDIM's 50 even steps make smaller
        x, y = names["led"].x.flatten(1).T
        assert abs(x.mean() - 0.5) < 0.02 and abs(y.mean()) < 0.02 and 0.03 < x.std() < 0.07


def test_the_entry_page_names_every_page():
    assert [page for page in PAGES if f"]({page.removeprefix('docs/')})" not in DOCUMENTS["docs/library.md"]] == [
        "docs/library.md"
    ]


def test_own_network_example_samples_the_circle():
    code = blocks(DOCUMENTS[OWN_NETWORK], "python")[0]
    torch.manual_seed(0)
    names = {}
    exec(compile(code, OWN_NETWORK, "exec"), names)
    points = names["last"].x.flatten(1)
    radius, angle = points.norm(dim=1), torch.atan2(points[:, 1], points[:, 0])
    assert (radius - 1).abs().mean() < 0.08
    counts = torch.histc(angle, bins=4, min=-torch.pi, max=torch.pi)  # every quarter of the circle is visited
    assert counts.min() > 0.15 * len(points)


def test_networks_in_other_coordinates_of_the_example_draw_one_picture():
    names = {}
    for code in ("import torch, ddpm_core", *blocks(DOCUMENTS[OWN_NETWORK], "python")[1:3]):
        exec(compile(code, OWN_NETWORK, "exec"), names)
    first, second = names["ends"]
    assert (first - second).abs().max() < 1e-4  # float32, 50 steps
    assert (first - names["last"].x).abs().max() < 1e-4
    assert 0.18 < first.std() < 0.22 and abs(first.mean()) < 0.05


def test_a_condition_of_the_example_reaches_the_network():
    names = {}
    by_label, by_closure = blocks(DOCUMENTS[OWN_NETWORK], "python")[3:5]
    for code in ("import torch, ddpm_core", by_label):
        exec(compile(code, OWN_NETWORK, "exec"), names)
    model, images = names["enlarging"], names["images"]
    assert (ddpm_core.sample(model, seeds=[1], steps=4, labels=7)[0] == images[1]).all()
    assert (ddpm_core.sample(model, seeds=[1], steps=4, labels=5)[0] != images[1]).any()
    exec(compile(by_closure, OWN_NETWORK, "exec"), names)
    assert names["loss"] > 0 and names["images"].shape == (3, 28, 28, 1)
    low = torch.zeros(2, 1, 7, 7)
    low[1] = 1
    black, white = ddpm_core.sample(names["seeing"](low), seeds=[1, 1], steps=4)
    assert (black != white).any()


def test_pandas_reads_a_study_as_evaluating_says(monkeypatch, capsys):
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(ROOT / "docs")
    exec(compile(blocks(DOCUMENTS["docs/evaluating.md"], "python")[0], "docs/evaluating.md", "exec"), {})
    assert "DDPM analytic" in capsys.readouterr().out
    columns = pandas.read_csv("study/results.csv").columns
    row = next(line for line in DOCUMENTS["docs/evaluating.md"].splitlines() if line.startswith("| `results.csv`"))
    assert re.findall(r"`(\w+)`", row) == list(columns)


def commands() -> dict[tuple[str, ...], set[str]]:
    """Of each command that the documents name, as words, all flags that they give it."""
    found: dict[tuple[str, ...], set[str]] = {}
    found["app",] = set(re.findall(r"^\| `(--[\w-]+)", DOCUMENTS["docs/page.md"], re.M))
    for text in DOCUMENTS.values():
        lines = re.sub(r"\\\n", " ", "\n".join(blocks(text, "", "bash"))).splitlines()
        for line in lines:
            command = line.split(" #")[0]
            if match := re.search(r"-m (ddpm_core|train|benchmarks) (\w+)(.*)|(app)\.py(.*)", command):
                words = tuple(word for word in match.groups()[:2] if word) or ("app",)
                preset = re.search(r"--config \S+", command) if words == ("train", "fit") else None
                words += tuple(preset.group().split()) if preset else ()
                found.setdefault(words, set()).update(re.findall(r" (--[\w-]+)", command[match.start() :]))
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_have_the_flags_that_the_documents_give_them(words, capsys):
    mains = {"app": app.main, "ddpm_core": ddpm_core.__main__.main, "train": train.__main__.main}
    if words[0] == "benchmarks":
        main, arguments = importlib.import_module(f"benchmarks.{words[1]}").main, words[2:]
    else:
        main, arguments = mains[words[0]], words[1:]
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])
    known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
    assert commands()[words] - known == set()


def test_contributing_names_only_files_that_exist():
    text = CONTRIBUTING.split("## Tests")[1].split("## What is packaged")[0]
    named = re.findall(r"`((?:ddpm_core|train|ui|tests|course)/[\w/.]+)`", text)
    assert len(named) > 60
    assert [name for name in named if not (ROOT / name).exists()] == []


def comments(path: Path) -> Iterator[str]:
    """The comments of a file, and the docstrings of Python."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from re.findall(r"/\*.*?\*/|(?<!:)//[^\n]*", text, re.S)
        return
    yield from (token.string for token in generate_tokens(StringIO(text).readline) if token.type == COMMENT)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


ROOMS = ("benchmarks", "checkpoints", "course", "ddpm_core", "docs", "examples", "tests", "train", "ui")


def test_comments_name_only_paths_that_exist():
    """From the root of the repository, or from a folder in which the file is."""
    named, missing = 0, []
    sources = [ROOT / "app.py", *(path for room in ROOMS for path in (ROOT / room).rglob("*.*"))]
    for path in sources:
        if path.suffix not in (".py", ".js", ".mjs", ".ts") or "node_modules" in path.parts:
            continue
        folders = [folder for folder in path.parents if folder.is_relative_to(ROOT)]
        for comment in comments(path):
            for name in re.findall(r"(?<![\w./:@<{-])[\w-]+(?:/[\w.-]+)*/[\w.-]*\w", comment):
                if name.split("/")[0] in ROOMS or re.search(r"\.(py|js|mjs|ts|md|css|html)$", name):
                    named += 1
                    if not any((folder / name).exists() for folder in folders):
                        missing.append(f"{path.relative_to(ROOT)}: {name}")
    assert missing == [] and named > 100


def test_the_map_names_every_room():
    table = CONTRIBUTING.split("## Map of the files")[1].split("\n## ")[0]
    python = [path for house in ("ddpm_core", "train", "ui") for path in (ROOT / house).glob("*/__init__.py")]
    page = [path for path in (ROOT / "ui" / "web").glob("*/*.js") if path.parent.name != "tests"]
    rooms = {path.parent.name for path in (*python, *page)}
    assert [room for room in rooms if f"`{room}/`" not in table] == []


# Before a name, in Python and in JavaScript
DEFINED = r"(^ *(async )?(def|class) |^ *(export )?(async )?(function|class|const) |^  (async )?)"


def test_the_five_traces_name_functions_that_exist():
    traces = CONTRIBUTING.split("## Five traces")[1].split("\n## ")[0].split("\n**")[1:]
    assert len(traces) == 5
    missing = []
    for trace in traces:
        steps = re.findall(r"^\d+\. `([\w/]+\.(?:py|js))` (`[^:]+`):", trace, re.M)
        assert len(steps) == len(re.findall(r"^\d+\.", trace, re.M)) > 5
        for file, names in steps:
            text, parts = (ROOT / file).read_text(encoding="utf-8"), re.findall(r"[\w#]+", names)
            missing += [f"{file}: {name}" for name in parts if not re.search(rf"{DEFINED}{name}\b", text, re.M)]
    assert missing == []


def test_a_space_preloads_what_the_page_offers():
    part = README.split("---")[1].split("preload_from_hub:")[1]
    entries = re.findall(r"^  - (\S+/\S+)(?: (\S+))?$", part, re.M)
    small = [ref for ref, one in OFFERED.items() if one.family == "ddpm"]  # others are large, or slower still
    assert [name for name, _ in entries] == small
    for _, names in entries:
        assert set(filter(None, names.split(","))) <= set(FILES)

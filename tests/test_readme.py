"""README's examples run as they stand, and what README and CONTRIBUTING name is there."""

import ast
import re
from pathlib import Path

import torch

from ddpm_core.checkpoint.refs import FILES
from ui.offered import OFFERED

ROOT = Path(__file__).parent.parent
README, CONTRIBUTING = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))


def test_own_network_example_samples_the_circle():
    code = re.search(r"<!-- own-network -->\n```python\n(.*?)```", README, re.S).group(1)
    torch.manual_seed(0)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    points = names["last"].x.flatten(1)
    radius, angle = points.norm(dim=1), torch.atan2(points[:, 1], points[:, 0])
    assert (radius - 1).abs().mean() < 0.08
    counts = torch.histc(angle, bins=4, min=-torch.pi, max=torch.pi)  # every quarter of the circle is visited
    assert counts.min() > 0.15 * len(points)


def test_readme_and_contributing_name_only_files_that_exist():
    rows = re.findall(r"^\| (`.*?) \|", README.split("## How the code is laid out")[1], re.M)
    named = [re.findall(r"`([^`]+)`", row) for row in rows]  # the first with its folder, where the others are too
    files = [(ROOT / names[0], *(ROOT / Path(names[0]).parent / name for name in names[1:])) for names in named]
    assert len(files) > 10
    advice = CONTRIBUTING.split("## Tests")[1].split("## What is packaged")[0]
    files.append([ROOT / name for name in re.findall(r"`((?:ddpm_core|train|ui|tests)/[\w/.]+)`", advice)])
    assert [str(file) for row in files for file in row if not file.exists()] == []


def test_the_four_traces_name_functions_that_exist():
    traces = CONTRIBUTING.split("## Four traces")[1].split("\n## ")[0].split("\n**")[1:]
    assert len(traces) == 4
    missing = []
    for trace in traces:
        steps = re.findall(r"^\d+\. `([\w/]+\.(?:py|js))` (`[^:]+`):", trace, re.M)
        assert len(steps) == len(re.findall(r"^\d+\.", trace, re.M)) > 5
        for file, names in steps:
            missing += [f"{file}: {name}" for name in set(re.findall(r"`([^`]+)`", names)) - _definitions(ROOT / file)]
    assert missing == []


def _definitions(path: Path) -> set[str]:
    """What a module defines: names, and with a dot what is inside them (of JavaScript, methods of classes)."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".js":
        found = set(re.findall(r"^\s*(?:export )?(?:async )?(?:function|class|const) (\w+)", text, re.M))
        for name, body in re.findall(r"class (\w+)[^{]*\{(.*?)^\}", text, re.M | re.S):
            found |= {f"{name}.{method}" for method in re.findall(r"^  (?:async )?(#?\w+)\(.*\{$", body, re.M)}
        return found
    return _inside(ast.parse(text))


def _inside(node: ast.AST, prefix: str = "") -> set[str]:
    found = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found |= {prefix + child.name} | _inside(child, f"{prefix}{child.name}.")
        else:
            found |= _inside(child, prefix)
    return found


def test_a_space_preloads_what_the_page_offers():
    front = README.split("---")[1]
    entries = re.findall(r"^  - (google/\S+)(?: (\S+))?$", front.split("preload_from_hub:")[1].split("tags:")[0], re.M)
    assert [name for name, _ in entries] == list(OFFERED)
    for _, names in entries:
        assert set(filter(None, names.split(","))) <= set(FILES)

"""The README's examples run as they stand."""

import re
from pathlib import Path

import torch

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


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


def test_readme_names_only_files_that_exist():
    root = Path(__file__).parent.parent
    for row in re.findall(r"^\| `(.*?) \|", README.split("## How the code is laid out")[1], re.M):
        for name in re.findall(r"[\w/]+(?:\.py|/)", row.replace("`", "")):
            assert (root / name).exists() or (root / "ddpm_core" / name).exists(), name

"""The recorded runs that the page shows before a visitor's own: `python -m ui.examples` makes them anew.

Each part's computation runs once with the embedded models, and its results are written as the page would get them, with
pictures as lossless WebP.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from typing import Any

from PIL import Image

from ui.jobs import Job
from ui.place import Values
from ui.server import build
from ui.web import FILES

FOLDER = FILES / "examples"
DIGITS = {"checkpoint": "mnist-tiny", "seed": 13}
EXAMPLES: dict[str, Values] = {
    "watch": DIGITS | {"steps": 50, "variance": "beta_tilde", "count": 4},
    "compare": DIGITS | {"steps": 10, "variance": "beta", "steps_b": 10, "variance_b": "beta_tilde", "count": 4},
    "grid": DIGITS | {"columns": "5, 10, 20, 50, 200", "count": 1},
    "latents": DIGITS | {"mode": "reconstruct", "count": 8, "steps": 20},
    "likelihood": {"checkpoint": "mnist-tiny", "count": 8},
    "plane": {},
}


def record(parts: list[str]) -> None:
    """Write examples/PART.json for each part. The same weights on the same machine give the same files."""
    app = build(DIGITS["checkpoint"])
    app.warmup.ready.wait()
    FOLDER.mkdir(exist_ok=True)
    for part in parts:
        place, values = app.places[part], EXAMPLES[part]
        computation = place.request(part, values)
        results = []
        for update in Job(computation, app.lab).updates():
            results += [place.shown(computation, result) for result in update.results]
            if update.state == "error":
                raise SystemExit(f"{part}: {update.text}")
        if part == "grid":
            results = _finished(results)
        content = json.dumps({"values": values, "results": _light(results)}, separators=(",", ":"), ensure_ascii=False)
        (FOLDER / f"{part}.json").write_text(content, encoding="utf-8")
        print(f"{part}: {len(content) / 1e3:.0f} kB")


def _finished(results: list[Values]) -> list[Values]:
    """Only the last frame of each lane, and only its x."""
    plan, *frames = results
    last = {frame["lane"]: frame | {"x0": frame["x"]} for frame in frames}
    return [plan, *last.values()]


def _light(content: Any) -> Any:
    """The same with lighter pictures and shorter numbers."""
    if isinstance(content, dict):
        return {name: _light(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_light(value) for value in content]
    if isinstance(content, float):
        return float(f"{content:.5g}")
    found = isinstance(content, str) and re.match(r"data:image/\w+;base64,", content)
    if not found:
        return content
    file = io.BytesIO()
    picture = Image.open(io.BytesIO(base64.b64decode(content[found.end() :])))
    picture.save(file, "WEBP", lossless=True, quality=100, method=6)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


if __name__ == "__main__":
    record(sys.argv[1:] or list(EXAMPLES))

"""The parts of the page, as its list and their folders have them: from here, tests take which parts there are."""

import re

from ui.parts import PARTS
from ui.web import FILES, text

LISTED = tuple(re.findall(r"\w+", text("parts/index.js").split("\nconst ALL = {")[1].split("\n};")[0]))  # in its order
ON_SERVER = {name for part in PARTS for name in part.names}  # what the server computes


def having(*modules: str) -> tuple[str, ...]:
    """Return the parts whose folders have these modules."""
    return tuple(part for part in LISTED if all((FILES / "parts" / part / name).is_file() for name in modules))


FORMS = tuple(part for part in LISTED if re.search(r"^  fields,$", text(f"parts/{part}/index.js"), re.M))
ON_PAGE = having("mount.js")  # visitors can open them
WITH_RUNS = having("mount.js", "plan.js")
# What a link says beside the part, where its usual run would take longer.
QUICK = {
    "watch": "&seed=14&count=4",
    "compare": "&steps=4&steps_b=3",
    "grid": "&columns=2,3",
    "plane": "&steps=10&steps_b=10",
    "latents": "&steps=4&count=2",
    "likelihood": "&count=1",
}

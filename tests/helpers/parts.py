"""The parts of the page, from its list and their folders. Tests use this module to find the parts."""

import re

from ui.parts import PARTS
from ui.web import FILES, text

LISTED = tuple(re.findall(r"\w+", text("parts/index.js").split("\nconst ALL = {")[1].split("\n};")[0]))  # in its order
ON_SERVER = {name for part in PARTS for name in part.names}  # names of the parts that the server computes


def having(*modules: str) -> tuple[str, ...]:
    """Return the parts whose folders have these modules."""
    return tuple(part for part in LISTED if all((FILES / "parts" / part / name).is_file() for name in modules))


FORMS = tuple(part for part in LISTED if re.search(r"^  fields,$", text(f"parts/{part}/index.js"), re.M))
ON_PAGE = having("mount.js")  # parts that visitors can open
WITH_RUNS = having("mount.js", "plan.js")
# Values of links for parts whose usual run would take longer.
QUICK = {
    "watch": "&seed=14&count=4",
    "compare": "&steps=4&steps_b=3",
    "grid": "&columns=2,3",
    "plane": "&steps=10&steps_b=10",
    "latents": "&steps=4&count=2",
    "likelihood": "&count=1",
}

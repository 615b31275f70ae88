"""Collect the data about checkpoints and pictures that only Python knows, for the page.

The page reads it as `Words` of ui/web/words/catalogue.js.
"""

from __future__ import annotations

from ui.models import catalogue
from ui.pictures.test_sets import PictureSet, sets
from ui.runs import touch


def page_words() -> dict[str, object]:
    """Return the data as JSON: {embedded, guidance, sketches, sets, script}."""
    return {
        "embedded": list(catalogue.EMBEDDED),
        "guidance": catalogue.GUIDANCE,
        "sketches": catalogue.SKETCHES,
        "sets": [_of_set(one) for one in sets()],
        "script": {"imports": touch.IMPORTS, "touch": touch.SOURCE},
    }


def _of_set(one: PictureSet) -> dict[str, object]:
    """Return the data of a set of pictures as JSON."""
    count, size, _, channels = one.images.shape
    return {"name": one.name, "count": count, "size": size, "channels": channels, "classes": one.class_names}

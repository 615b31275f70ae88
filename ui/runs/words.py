"""Words of the page that only Python has: see `Words` in ui/web/words/catalogue.js."""

from __future__ import annotations

from ui.models import catalogue
from ui.models.form_options import PROMPTS
from ui.pictures.test_sets import PictureSet, sets
from ui.runs import touch


def page_words() -> dict[str, object]:
    """Return {labels, embedded, guidance, sketches, prompts, sets, script}, as JSON."""
    offered = (*catalogue.OFFERED, *catalogue.EMBEDDED)
    return {
        "labels": {ref: catalogue.short_name(ref) for ref in offered},
        "embedded": list(catalogue.EMBEDDED),
        "guidance": catalogue.GUIDANCE,
        "sketches": catalogue.SKETCHES,
        "prompts": PROMPTS,
        "sets": [_of_set(one) for one in sets()],
        "script": {"imports": touch.IMPORTS, "touch": touch.SOURCE},
    }


def _of_set(one: PictureSet) -> dict[str, object]:
    count, size, _, channels = one.images.shape
    return {"name": one.name, "count": count, "size": size, "channels": channels, "classes": one.class_names}

"""What the page's own words need of Python: see `Words` of ui/web/words/catalogue.js."""

from __future__ import annotations

from typing import Any

from ui.models import catalogue
from ui.models.form_options import PROMPTS
from ui.runs import touch


def page_words() -> dict[str, Any]:
    """{labels, embedded, guidance, prompts, script}, as JSON has them."""
    offered = (*catalogue.OFFERED, *catalogue.EMBEDDED)
    return {
        "labels": {ref: catalogue.short_name(ref) for ref in offered},
        "embedded": list(catalogue.EMBEDDED),
        "guidance": catalogue.GUIDANCE,
        "prompts": PROMPTS,
        "script": {"imports": touch.IMPORTS, "touch": touch.SOURCE},
    }

"""The versions of Python that the project runs on. Importing this ends the program on any other, with a sentence."""

import sys

FIRST, LAST = (3, 11), (3, 14)  # older: transformers has none for it; newer: OpenVINO has none

if not FIRST <= sys.version_info[:2] <= LAST:
    sys.exit(
        "DDPM Lab needs Python {}.{} to {}.{}, and this is Python {}.{}: "
        "make the environment with another one, as in `python3.13 -m venv .venv`".format(
            *FIRST, *LAST, *sys.version_info[:2]
        )
    )

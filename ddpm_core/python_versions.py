"""The versions of Python on which the project runs. On other versions, importing this module ends the program."""

import sys

FIRST, LAST = (3, 11), (3, 14)  # transformers has no release for older versions, OpenVINO none for newer versions

if not FIRST <= sys.version_info[:2] <= LAST:
    sys.exit(
        "DDPM Lab needs Python {}.{} to {}.{}, and this is Python {}.{}: "
        "make the environment with another one, as in `python3.13 -m venv .venv`".format(
            *FIRST, *LAST, *sys.version_info[:2]
        )
    )

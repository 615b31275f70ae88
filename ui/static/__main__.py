"""Write the page as a folder that any web server can serve: `python -m ui.static OUT`. See docs/online.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ddpm_core.checkpoint.refs import CheckpointError, embedded
from ddpm_core.commands.reading import Parser
from ui.models.catalogue import EMBEDDED
from ui.static.folder import write


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, write the folder, and print a sentence for each model that the folder can't contain."""
    parser = Parser(prog="python -m ui.static", description="Write the page without a server.")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder; an older one is replaced")
    own = [name for name in EMBEDDED if name in embedded()]
    parser.add_argument("--models", nargs="+", default=own, metavar="CHECKPOINT", help=f"default: {' '.join(own)}")
    parser.add_argument("--address", default="", help="where the folder will be, such as https://lab.example/ddpm/")
    given = parser.parse_args(arguments)
    if given.address and not re.fullmatch(r"https?://[^\s?#]+", given.address):
        sys.exit(f"ui.static: --address is a web address without ? and #, not {given.address!r}")
    try:
        refused = write(given.out, given.models, address=given.address)
    except (CheckpointError, ValueError, OSError) as error:
        sys.exit(f"ui.static: {error}")
    for sentence in refused:
        print(f"Left out: {sentence}", file=sys.stderr)
    print(f"{given.out} is complete. Try it: python -m http.server --directory {given.out}")


if __name__ == "__main__":
    main()

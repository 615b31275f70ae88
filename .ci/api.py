"""PYTHONPATH=. python .ci/api.py FOLDER: the API reference, made by pdoc."""

import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc

import ddpm_core

warnings.filterwarnings("error", message=".*does not resolve")
# A NamedTuple forgets where its types are from.
warnings.filterwarnings("ignore", message=".*(Denoised|Translation).__init__")
for name in ddpm_core.__all__:
    # pdoc looks into __dict__, where lazy names are not
    setattr(ddpm_core, name, getattr(ddpm_core, name))
INSIDE = ("commands", "disk", "engines", "checkpoint")  # what carries the library: its own names are in ddpm_core
names = [module.name for module in pkgutil.iter_modules(ddpm_core.__path__)]
public = [f"ddpm_core.{name}" for name in names if name not in (*INSIDE, "__main__")]
inside = [f"!ddpm_core.{name}" for name in INSIDE]
pdoc.render.configure(docformat="google", math=True, show_source=False)
pdoc.pdoc("ddpm_core", *public, *inside, output_directory=Path(sys.argv[1]))

"""PYTHONPATH=. python .ci/api.py FOLDER: the API reference, made by pdoc."""

import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc

import ddpm_core

warnings.filterwarnings("error", message=".*does not resolve")
for name in ddpm_core.__all__:
    # pdoc looks into __dict__, where lazy names are not
    setattr(ddpm_core, name, getattr(ddpm_core, name))
modules = [module.name for module in pkgutil.iter_modules(ddpm_core.__path__, "ddpm_core.")]
public = [name for name in modules if not name.endswith(("__main__", "from_diffusers"))]
pdoc.render.configure(docformat="google", math=True)
pdoc.pdoc("ddpm_core", *public, output_directory=Path(sys.argv[1]))

"""PYTHONPATH=. python .ci/api.py FOLDER: the API reference, made by pdoc: web pages, ready to publish."""

import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc

import ddpm_core

warnings.filterwarnings("error", message=".*does not resolve")
# A NamedTuple forgets where its types are from, and a TypedDict where its fields are written.
warnings.filterwarnings("ignore", message=".*(Denoised|Translation|Pictures).__init__")
warnings.filterwarnings("ignore", message="Cannot determine where ddpm_core.arguments")
for name in ddpm_core.__all__:
    # pdoc looks into __dict__, where lazy names are not
    setattr(ddpm_core, name, getattr(ddpm_core, name))
# What carries the library: its own names are in ddpm_core
INSIDE = ("commands", "disk", "engines", "checkpoint", "imports", "python_versions", "signatures")
names = [module.name for module in pkgutil.iter_modules(ddpm_core.__path__)]
# pdoc finds the modules that ddpm_core names by itself
public = [f"ddpm_core.{name}" for name in names if name not in (*INSIDE, *ddpm_core.__all__, "__main__")]
inside = [f"!ddpm_core.{name}" for name in INSIDE]
folder = Path(sys.argv[1])
pdoc.render.configure(docformat="google", math=True, show_source=False)
pdoc.pdoc("ddpm_core", *public, *inside, output_directory=folder)
here = str(Path(ddpm_core.__file__).parents[1])
if told := [str(page) for page in folder.rglob("*.*") if here in page.read_text(encoding="utf-8")]:
    sys.exit(f"The pages name a folder of this machine, {here}: {', '.join(told)}")

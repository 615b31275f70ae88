"""The order in which a page without a server asks for the modules of its worker."""

from ui import web
from ui.static.folder import WORKER, _at_once


def test_the_worker_first_names_each_module_after_those_that_it_imports():
    order = web.imported(WORKER)
    for at, name in enumerate(order):
        imported = {(web.FILES / name).parent.joinpath(path).resolve() for path in web.IMPORT.findall(web.text(name))}
        assert imported <= {web.FILES / earlier for earlier in order[:at]}
    named = [(web.FILES / WORKER).parent.joinpath(path).resolve() for path in web.IMPORT.findall(_at_once(WORKER))]
    assert named == [web.FILES / name for name in order[:-1]] and len(named) > 30


def test_one_style_sheet_has_all_and_those_of_parts_last():
    assert web.style().index(web.text("base.css")) < web.style().index(web.text("parts/watch.css"))
    sheets = [file for file in web.FILES.rglob("*.css") if "node_modules" not in file.parts]
    assert len(sheets) > 10 and all(file.read_text("utf-8") in web.style() for file in sheets)

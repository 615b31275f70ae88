"""What the page says of settings and of models: its own modules are asked, without a server or a browser."""

import shutil

from browser import _missing

from ddpm_core.checkpoint.refs import CheckpointError
from ui.models.facts import answer as known
from ui.models.facts import facts, spec, table
from ui.recorded import page

PLAN = {"kind": "plan", "words": [], "unknown": [], "published": None}  # the first result of every run


def _ask(question):
    if not shutil.which("node"):
        _missing("node is not installed")
    return page.ask(question)


def facts_of(model):
    """Return the facts about a model, which may have no files."""
    if model.source is not None and model.source.folder is not None:
        return facts(model)
    steps = {name: {n: " ".join(map(str, t)) for n, t in own.items()} for name, own in (model.optimised or {}).items()}
    return {
        "spec": spec(model) | {"source": None},
        "home": {"where": "", "has_scheduler": False, "autoencoder": None, "own_class": False},
        "scheduler": table(model.schedule),
        "sidecars": {"gamma": None, "optimised": {"times": steps} if steps else None},
    }


def answer(part, values, models, **more):
    """Return what the page says of values of a part: {refs, summary}; where it has the models, by their names, also
    {steps, asked, shown} and what the plan is about; {error}, a sentence, where it refuses the values.

    more: sets, of test pictures in the place of the shipped ones; pace, of an engine, of which the page makes an
    estimate; result, of an engine, as it is shown; without it the first one of a run.
    """
    known = {ref: facts_of(model) for ref, model in models.items() if model is not None}
    return _ask({"part": part, "values": values, "models": known, "result": PLAN} | more)


def planned(place, part, values, **more):
    """Return the answer for a part of a lab, which has the models. Raises ValueError with the page's sentence."""

    def facts(ref):
        model = place.services.models.known(ref)
        return model and facts_of(model)

    if not shutil.which("node"):
        _missing("node is not installed")
    return page.plan_run(part, values, facts, **{"result": PLAN} | more)


def described(place, part, values, **more):
    """Return the answer for a part of a lab; if the page refuses the values, return only its sentence."""
    try:
        return planned(place, part, values, **more)
    except (ValueError, CheckpointError) as error:
        return str(error)


def offered(services, ref):
    """Return what a form of the page offers for a checkpoint. Raises CheckpointError if there is none."""
    model = services.models.known(ref)
    if model is None or model.source is not None:
        return _ask({"known": known(services, ref, pictures=True)})
    return _ask({"known": {"ref": ref, "count": 1, "download": 0, "facts": facts_of(model)}})

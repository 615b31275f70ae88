"""Labels and classifier-free guidance."""

import numpy as np
import oracle
import pytest
import torch
from toy import AB, LINEAR, X_T, assert_chain, numpy_z, run, toy_model

from ddpm_core import Model, trajectory
from ddpm_core.prediction import class_index, predict

CLASSES = dict(num_classes=3, null_label=3)


def counting(model):
    """The model, and a list that collects the labels of every image its network is asked about."""
    seen, network = [], model.network

    def count(x, t_index, labels):
        seen.extend(labels.tolist())
        return network(x, t_index, labels)

    model.network = count
    return model, seen


@pytest.mark.parametrize(
    "labels, expected",
    [
        (None, [3, 3]),
        (2, [2, 2]),
        ([0, 2], [0, 2]),
        ([None, 2], [3, 2]),
        (torch.tensor([1, 3]), [1, 3]),  # in the network's own numbers
        ("dog", [1, 1]),
        (["bird", "0"], [2, 0]),
        (("cat", None), [0, 3]),
        (["dog", np.int64(2)], [1, 2]),
    ],
)
@pytest.mark.parametrize("guidance", [None, 1, 1.0])
def test_one_pass_with_the_labels_and_none_is_the_null_label(labels, expected, guidance):
    model, seen = counting(toy_model(**CLASSES, class_names=("cat", "dog", "bird")))
    ours = run(model, 1, labels=labels, guidance=guidance)
    assert seen == expected
    shift = 0.3 * np.array(expected).reshape(-1, 1, 1, 1)
    chain = oracle.ddpm(AB, lambda x, t: oracle.toy_eps(x, t) + shift, X_T.numpy(), [(1000, 0)], "beta", numpy_z, True)
    assert_chain(ours, chain, [(1000, 0)])


@pytest.mark.parametrize("prediction", ["epsilon", "x0", "v", "mu"])
@pytest.mark.parametrize("w", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_guidance_moves_eps_from_the_null_label_through_the_class(sampler, w, prediction):
    """eps = eps_null + w (eps_c - eps_null), each image towards its own class; clipping comes afterwards."""
    labels = np.array([0, 2]).reshape(-1, 1, 1, 1)

    def guided(x, t):
        null, conditional = oracle.toy_eps(x, t) + 0.3 * 3, oracle.toy_eps(x, t) + 0.3 * labels
        return null + w * (conditional - null)

    pairs, clip = oracle.pairs(1000, 10), prediction != "mu"
    if sampler == "ddpm":
        expected = oracle.ddpm(AB, guided, X_T.numpy(), pairs, "beta_tilde", numpy_z, clip)
    else:
        expected = oracle.ddim(AB, guided, X_T.numpy(), pairs, 0.5, numpy_z, clip)
    model, seen = counting(toy_model(prediction, **CLASSES))
    options = {"ddpm": {"variance": "beta_tilde"}, "ddim": {"eta": 0.5}}[sampler]
    ours = run(model, 10, sampler=sampler, clip=clip, labels=[0, 2], guidance=w, **options)
    assert_chain(ours, expected, pairs, tolerance=1e-8 if prediction == "mu" else 1e-10)
    assert len(seen) == 10 * 4 and sorted(seen[:4]) == [0, 2, 3, 3]


def test_the_learned_variance_is_the_conditional_one():
    """Only eps is guided."""

    def network(x, t_index, labels):
        v = -labels.to(x.dtype).reshape(-1, 1, 1, 1).expand_as(x)
        return torch.cat([0.5 * x, v], dim=1)

    model = Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon", variance="learned", **CLASSES)
    for guidance in (None, 4.0):
        step = next(trajectory(model, [0, 1], 1000, labels=[0, 2], guidance=guidance, x_T=X_T))
        sigma = torch.tensor([0.0, -1.0], dtype=torch.float64).exp().reshape(-1, 1, 1, 1)
        torch.testing.assert_close(step.sigma, sigma.expand_as(step.sigma), rtol=1e-12, atol=0)


def test_an_unconditional_network_gets_no_labels():
    def network(x, t_index, labels):
        assert labels is None
        return x

    run(Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon"), 2)
    run(Model(network=network, schedule=LINEAR, image_size=4, prediction="epsilon"), 2, guidance=1.0)


NAMES = {
    "named": dict(class_names=("cat", "dog", "bird"), **CLASSES),
    "nameless": CLASSES,
    "digits": dict(class_names=("1", "2", "3"), **CLASSES),
}


@pytest.mark.parametrize(
    "names, text, index",
    [("named", "dog", 1), ("named", "0", 0), ("nameless", "2", 2), ("digits", "1", 0), ("digits", "0", 0)],
)
def test_a_class_is_meant_by_its_exact_name_or_else_by_its_number(names, text, index):
    assert class_index(toy_model(**NAMES[names]), text) == index


@pytest.mark.parametrize("text", ["fish", "DOG", "3", "-1", "٢", "9" * 5000, ""])
def test_a_class_the_model_lacks_is_refused_with_those_it_has(text):
    with pytest.raises(ValueError, match=r"^there is no class .* choose from cat, dog, bird, or 0 to 2$"):
        class_index(toy_model(**NAMES["named"]), text)
    with pytest.raises(ValueError, match=r"choose from 0 to 2$"):
        class_index(toy_model(**NAMES["nameless"]), text)
    with pytest.raises(ValueError, match="this model has no classes"):
        class_index(toy_model(), text)


WRONG = {
    "a class too high": (torch.tensor([4, 0]), None, "labels go from 0 to 2, or None for no class, got 4"),
    "below 0": (torch.tensor([-1, 0]), None, "labels go from 0 to 2, or None for no class, got -1"),
    "floats": (torch.tensor([1.0, 0.0]), None, "whole numbers"),
    "true and false": (torch.tensor([True, False]), None, "0 to 2"),
    "too many": (torch.tensor([0, 1, 2]), None, "2 images, 3 labels"),
    "a column": (torch.tensor([[0], [1]]), None, "whole numbers"),
    "lists of two lengths": ([[0], [1, 2]], None, "whole numbers"),
    "true": (True, None, "0 to 2"),
    "nothing to guide towards": (torch.tensor([3, 3]), 3.0, "guidance needs a class label"),
    "nothing for one image": (torch.tensor([0, 3]), 3.0, "guidance needs a class label"),
    "guidance NaN": (torch.tensor([0, 1]), float("nan"), "guidance must be a finite number in float64, got nan"),
    "guidance without an end": ([0, 1], float("-inf"), "guidance must be"),
    "guidance of each image": ([0, 1], torch.tensor([1.0, 2.0]), "guidance must be a finite number"),
    "guidance in a list": ([0, 1], torch.tensor([2.0]), "guidance must be a finite number"),
    "guidance of NumPy": ([0, 1], np.array([1.0, 2.0]), "guidance must be a finite number"),
    "guidance as text": (1, "3", "guidance must be .* got '3'"),
}


@pytest.mark.parametrize("labels, guidance, match", WRONG.values(), ids=WRONG)
def test_an_evaluation_checks_labels_and_guidance_however_they_come(labels, guidance, match):
    model = toy_model(**CLASSES)
    model.network = lambda *_: pytest.fail("asked")
    with pytest.raises(ValueError, match=match):
        predict(model, X_T, 5, labels, guidance)
    with pytest.raises(ValueError, match=match):
        next(trajectory(model, [0, 1], 5, labels=labels, guidance=guidance, x_T=X_T))


def test_labels_of_any_whole_dtype_are_labels():
    expected = predict(toy_model(**CLASSES), X_T, 5, [2, 0]).eps
    for dtype in (torch.uint8, torch.int16, torch.int64):
        assert predict(toy_model(**CLASSES), X_T, 5, torch.tensor([2, 0], dtype=dtype)).eps.equal(expected)


def test_a_state_that_requires_gradients_is_refused():
    """They would be wrong without a word: the network is evaluated without them."""
    with pytest.raises(ValueError, match="requires gradients"):
        predict(toy_model(), X_T.clone().requires_grad_(), 5)


@pytest.mark.parametrize("t", [0, 1000.5, torch.zeros(2), torch.ones(3, dtype=torch.int64), "5"], ids=str)
def test_a_wrong_time_is_refused_before_the_network_is_asked(t):
    model = Model(network=lambda *_: pytest.fail("asked"), schedule=LINEAR, image_size=4, prediction="epsilon")
    with pytest.raises(ValueError, match=r"^t must"):
        predict(model, X_T, t)

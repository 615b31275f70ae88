"""Inside the network: what is seen and changed there is what diffusers' own blocks give and take."""

from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DModel

import ddpm_core
from ddpm_core import Model, NoiseSchedule, inside, predict, trajectory

SIZES = {"sample_size": 8, "norm_num_groups": 4, "layers_per_block": 1, "block_out_channels": (8, 8, 16)}
# Blocks of every class that a configuration of diffusers may name, for two to four levels.
BLOCKS = {
    "resnets": (("DownBlock2D",) * 3, ("UpBlock2D",) * 3),
    "attention": (("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"), ("AttnUpBlock2D", "UpBlock2D", "UpBlock2D")),
    "resampling resnets": (("ResnetDownsampleBlock2D",) * 3, ("ResnetUpsampleBlock2D",) * 3),
    "skips of pixels": (
        ("SkipDownBlock2D", "AttnSkipDownBlock2D", "SkipDownBlock2D"),
        ("SkipUpBlock2D", "AttnSkipUpBlock2D", "SkipUpBlock2D"),
    ),
}


def unet(blocks="attention", **options):
    torch.manual_seed(3)
    down, up = BLOCKS[blocks]
    own = {"down_block_types": down, "up_block_types": up, "attention_head_dim": 4, "in_channels": 1, "out_channels": 1}
    return UNet2DModel(**(SIZES | own | options)).eval().requires_grad_(False)


def model_of(network, **fields):
    return Model(
        **{"channels": 1, "prediction": "epsilon", **fields},
        network=network,
        schedule=NoiseSchedule.linear(10),
        image_size=8,
    )


def state(n=1):
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def by_hand(network, x, t, change=lambda name, found: found):
    """A pass of plain blocks, after diffusers' UNet2DModel.forward. Returns the output and what each gave."""
    emb = network.time_embedding(network.time_proj(torch.full((len(x),), t - 1)))
    x = network.conv_in(x)
    skips, seen = [x], {}
    for i, block in enumerate(network.down_blocks, 1):
        (resnet,), attentions = block.resnets, getattr(block, "attentions", [])
        x = resnet(x, emb)
        for attention in attentions:
            x = attention(x)
        x = seen[f"down {i}"] = change(f"down {i}", x)
        skips.append(x)
        for halved in block.downsamplers or ():
            x = halved(x)
            skips.append(x)
    x = seen["middle"] = change("middle", network.mid_block(x, emb))
    for i, block in enumerate(network.up_blocks, 1):
        for j, resnet in enumerate(block.resnets):
            skip = skips.pop()
            x = resnet(torch.cat([x, change(f"skips {skip.shape[-1]}", skip)], 1), emb)
            if getattr(block, "attentions", None):
                x = block.attentions[j](x)
        x = seen[f"up {i}"] = change(f"up {i}", x)
        for doubled in block.upsamplers or ():
            x = doubled(x)
    return network.conv_out(network.conv_act(network.conv_norm_out(x))), seen


@pytest.mark.parametrize("blocks", ["resnets", "attention"])
def test_each_block_is_seen_and_changed_where_diffusers_has_it(blocks):
    network, x = unet(blocks), state()
    opened = inside(model_of(network, clip=False))
    wanted, seen = by_hand(network, x, 5)
    assert opened.model.network(x, torch.tensor([4])).allclose(wanted, rtol=0, atol=1e-6)
    assert opened.taps.keys() == seen.keys() == opened.blocks.keys()
    for name, found in seen.items():
        torch.testing.assert_close(opened.taps[name], found, rtol=0, atol=1e-6)
        assert opened.blocks[name].shape == found.shape[1:]
    assert opened.skips == ("skips 2", "skips 4", "skips 8")
    for name in (*opened.blocks, *opened.skips):
        opened.restore()
        opened.change(name, lambda found, t: found * (-2 if t == 5 else 1))
        wanted, _ = by_hand(network, x, 5, lambda at, found, name=name: found * -2 if at == name else found)
        found = opened.model.network(x, torch.tensor([4]))
        torch.testing.assert_close(found, wanted, rtol=0, atol=2e-6)
        assert not found.equal(network(x, 4).sample) and opened.model.network(x, torch.tensor([3])).allclose(
            network(x, 3).sample, rtol=0, atol=1e-6
        )


@pytest.mark.parametrize("blocks", BLOCKS)
def test_every_class_of_blocks_can_be_opened_and_cut(blocks):
    network = unet(blocks, block_out_channels=(32, 32, 32), norm_num_groups=32, in_channels=3, out_channels=3)
    opened = inside(model_of(network, channels=3))
    x, t = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([6])
    wanted = network(x, 6).sample
    assert opened.model.network(x, t).allclose(wanted, rtol=0, atol=1e-5)  # some hundred roundings of float32
    assert len(opened.blocks) == 7 and len(opened.skips) == 3
    for name in (*opened.blocks, *opened.skips):
        opened.restore()
        opened.cut(name)
        assert not opened.model.network(x, t).allclose(wanted, rtol=0, atol=1e-3), name


def test_attention_is_left_out_as_if_its_weights_were_zero():
    network = unet("attention")
    opened = inside(model_of(network))
    opened.cut("attention")
    found = opened.model.network(state(), torch.tensor([4]))
    for name, layer in network.named_modules():
        if name.endswith("to_out.0"):
            torch.nn.init.zeros_(layer.weight), torch.nn.init.zeros_(layer.bias)
    wanted, seen = by_hand(network, state(), 5)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    for name, tap in opened.taps.items():  # also of the blocks that end with attention
        torch.testing.assert_close(tap, seen[name], rtol=0, atol=1e-6)
    opened.change("down 2", lambda found, t: found * 0 + 1)
    opened.model.network(state(), torch.tensor([4]))
    assert opened.taps["down 2"].eq(1).all()


def test_where_a_place_looks_is_the_softmax_of_its_q_and_every_k():
    network, x = unet("attention"), state(2)
    opened = inside(model_of(network))
    opened.model.network(x, torch.tensor([4, 4]))
    assert opened.looks == {}
    opened.look(0.8, 0.3)
    opened.model.network(x, torch.tensor([4, 4]))
    layers = {name: layer for name, layer in network.named_modules() if name.endswith(("attentions.0", "attentions.1"))}
    assert opened.looks.keys() == layers.keys() and len(layers) == 4
    given = {}
    for name, layer in layers.items():
        layer.register_forward_pre_hook(lambda layer, arguments, name=name: given.update({name: arguments[0]}))
    network(x, 4)
    for name, layer in layers.items():
        side = given[name].shape[-1]
        rows = layer.group_norm(given[name]).flatten(2).transpose(1, 2)
        q, k = layer.to_q(rows), layer.to_k(rows)
        place = int(0.8 * side) * side + int(0.3 * side)
        for n in range(2):
            for head in range(layer.heads):
                part = slice(4 * head, 4 * head + 4)  # attention_head_dim
                wanted = (k[n, :, part] @ q[n, place, part] / 2).softmax(0).reshape(side, side)
                torch.testing.assert_close(opened.looks[name][n, head], wanted, rtol=0, atol=1e-6)
        assert opened.looks[name].shape == (2, layer.heads, side, side)
    for place in ((1, 0), (0, 1)):
        with pytest.raises(
            ValueError, match=f"two numbers from 0 to below 1, down and right: got {place[0]} and {place[1]}"
        ):
            opened.look(*place)
    with pytest.raises(ValueError, match="this network has no self-attention"):
        inside(model_of(unet("resnets", add_attention=False))).look(0, 0)


def test_condition_and_time_are_those_that_the_network_gets():
    network = unet("resnets", num_class_embeds=4)
    model = model_of(network, num_classes=3, null_label=3)
    opened, x = inside(model), state(2)
    opened.cut("condition", when=lambda t: t > 5)
    for t, label in ((6, None), (5, 1)):
        assert predict(opened.model, x, t, 1).eps.allclose(predict(model, x, t, label).eps, rtol=0, atol=1e-5)
    opened.restore()
    opened.cut("time")
    moved = opened.model.network(x, torch.tensor([8, 1]), torch.tensor([0, 1]))
    assert moved.allclose(network(x, 4, torch.tensor([0, 1])).sample, rtol=0, atol=1e-6)


def test_a_network_on_another_schedule_is_opened_in_the_times_of_the_run():
    """t of a change is that of the run, and "time" too; the network still gets the times of its training for them."""
    network = unet("resnets")
    own = NoiseSchedule.from_sigmas([0.02, 0.05, 0.1, 0.2, 5.0, 9.0])  # the last two are beyond all that it has learned
    model = model_of(network, clip=False).with_schedule(own)
    opened, x = inside(model), state(2)
    seen = {name: [] for name in ("middle", "time", "when")}
    opened.change("middle", lambda found, t: (seen["middle"].append(t), found)[1])
    opened.change("time", lambda found, t: (seen["time"].append((found.tolist(), found.dtype)), found)[1])
    opened.cut("up 1", when=lambda t: bool(seen["when"].append(t)))
    found, plain = (list(trajectory(one, [7], 6, "ddim")) for one in (opened.model, model))
    for here, there in zip(found, plain, strict=True):
        torch.testing.assert_close(here.x, there.x, rtol=0, atol=1e-5)
    times = [step.t for step in plain]
    assert times == [6, 5, 4, 3, 2, 1] == seen["middle"] == seen["when"]
    assert seen["time"] == [([t - 1], torch.int64) for t in times]

    opened.restore()
    opened.cut("time")  # stays at T/2 of the run
    middle = model.coordinates.translation(own).time[3].float()
    moved = predict(opened.model, x, 6).eps
    torch.testing.assert_close(moved, network(x, middle).sample, rtol=0, atol=1e-6)
    assert not moved.allclose(predict(model, x, 6).eps, rtol=0, atol=1e-4)


def test_between_two_times_of_another_schedule_t_is_interpolated():
    """As the flow of a likelihood asks for it, whose σ are those of no time."""
    network, own = unet("resnets"), NoiseSchedule.from_sigmas([0.02, 0.05, 0.2])
    model = model_of(network).with_schedule(own)
    opened = inside(model)
    low, high = model.coordinates.translation(own).time[[2, 3]].float()
    found = opened.model.network(state(), torch.tensor([1.25]))
    torch.testing.assert_close(found, network(state(), 0.75 * low + 0.25 * high).sample, rtol=0, atol=1e-6)


def test_pictures_of_other_sizes_have_the_same_skips_and_places_that_look():
    network, x = unet("attention"), torch.randn(1, 1, 32, 8, generator=torch.Generator().manual_seed(1))
    opened = inside(model_of(network))
    wanted, _ = by_hand(network, x, 5)
    assert opened.model.network(x, torch.tensor([4])).allclose(wanted, rtol=0, atol=1e-6)
    for name, side in (("skips 8", 8), ("skips 4", 4), ("skips 2", 2)):  # 8: of the model's own size
        opened.restore()
        opened.cut(name)
        wanted, _ = by_hand(network, x, 5, lambda at, found, name=f"skips {side}": found * (at != name))
        torch.testing.assert_close(opened.model.network(x, torch.tensor([4])), wanted, rtol=0, atol=1e-6)
    large = torch.cat([x, x, x, x], 3)  # 32×32, whose finest skips are as coarse as none of 8×8
    opened.restore()
    opened.cut("skips 8")
    assert not opened.model.network(large, torch.tensor([4])).allclose(network(large, 4).sample, rtol=0, atol=1e-3)

    opened.restore()
    opened.look(0.8, 0.3)
    opened.model.network(x, torch.tensor([4]))
    (layer,) = (part for name, part in network.named_modules() if name == "down_blocks.1.attentions.0")
    given = []
    layer.register_forward_pre_hook(lambda layer, arguments: given.append(arguments[0]))
    network(x, 4)
    rows = layer.group_norm(given[0]).flatten(2).transpose(1, 2)
    q, k = (part.unflatten(2, (layer.heads, -1)) for part in (layer.to_q(rows), layer.to_k(rows)))
    place = int(0.8 * 16) * 4 + int(0.3 * 4)  # of 16×4
    weights = torch.einsum("hd,khd->hk", q[0, place], k[0]).div(2).softmax(1).unflatten(1, (16, 4))
    torch.testing.assert_close(opened.looks["down_blocks.1.attentions.0"][0], weights, rtol=0, atol=1e-6)


def test_a_run_shows_its_steps_and_takes_the_middle_of_another(torch_engine):
    model = ddpm_core.load("mnist-tiny", device="cpu")
    opened = inside(model)
    run = {"steps": 4, "sampler": "ddim"}
    plain = [step.x for step in trajectory(model, [7, 8], labels=3, **run)]
    steps = list(trajectory(opened.model, [7, 8], labels=3, **run))
    assert all(step.x.equal(x) for step, x in zip(steps, plain, strict=True))
    donor = {step.t: opened.taps for step in trajectory(opened.model, [7, 8], labels=6, **run)}
    assert {tuple(taps["middle"].shape) for taps in donor.values()} == {(2, 64, 7, 7)}
    assert len({taps["middle"].sum().item() for taps in donor.values()}) == 4  # each step keeps its own
    opened.change("middle", lambda found, t: donor[t]["middle"][:1])
    *_, grafted = trajectory(opened.model, [7], labels=3, **run)
    assert (grafted.x - plain[-1][:1]).square().mean().sqrt() > 0.2
    assert [step.x for step in trajectory(model, [7, 8], labels=3, **run)][-1].equal(plain[-1])  # is as it was
    next(trajectory(opened.model, [7], labels=3, guidance=2.0, **run))
    assert len(opened.taps["middle"]) == 2


def test_blocks_say_what_they_consist_of():
    network = unet("attention", layers_per_block=2, add_attention=False)
    parts = [block.parts for block in inside(model_of(network)).blocks.values()]
    ends, deep = ["2 resnets", "3 resnets"], ["2 resnets, 2 attentions", "3 resnets, 3 attentions"]
    assert parts == [ends[0], deep[0], ends[0], "2 resnets", deep[1], ends[1], ends[1]]


def test_gradients_pass_the_open_network():
    opened = inside(model_of(unet("resnets")))
    x = state().requires_grad_()
    predict(opened.model, x, 4, grad=True).x0_hat.sum().backward()
    assert x.grad is not None and x.grad.abs().max() > 0


def test_what_cannot_be_opened_or_changed_is_a_sentence():
    network = unet("resnets")
    opened = inside(model_of(network))
    with pytest.raises(ValueError, match="there is no 'up 9' in this network: choose from down 1, down 2, down 3, mid"):
        opened.cut("up 9")
    with pytest.raises(ValueError, match="this model has no condition that could be changed"):
        opened.cut("condition")
    opened.change("middle", lambda found, t: found[:, :2])
    with pytest.raises(
        ValueError, match=r"a change of 'middle' must return a tensor of shape \(1, 16, 2, 2\), got \(1, 2"
    ):
        opened.model.network(state(), torch.tensor([4]))
    with pytest.raises(ValueError, match="the network of this model is a function, not a torch module"):
        inside(model_of(lambda x, t, labels: x))
    with pytest.raises(ValueError, match="only U-Nets of diffusers that take t − 1 can be opened, got Conv2d"):
        inside(model_of(torch.nn.Conv2d(1, 1, 1)))
    with pytest.raises(ValueError, match="only U-Nets of diffusers that take t − 1 can be opened"):
        inside(model_of(network, prediction="flow"))  # which gets τ


def test_the_module_of_a_model_is_its_own(torch_engine):
    model = ddpm_core.load("mnist-tiny", device="cpu", precision="fp32")
    found = ddpm_core.module(model)
    assert found is model.network.unet and ddpm_core.module(replace(model, network=found)) is found
    assert ddpm_core.module(replace(model, network=found.forward)) is found

"""The rewritten OpenVINO graph gives the same output, and changes the order of memory only a few times."""

import pytest
import torch
from test_engine import inputs, relative_error, small, truth

from ddpm_core.engines import openvino as openvino_engine
from ddpm_core.engines import openvino_graph
from ddpm_core.engines.common import in_two_parts
from ddpm_core.engines.network import unet

pytest.importorskip("openvino")


def plain_and_rewritten(network, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(openvino_engine, "keep_channels_together", lambda model: None)
        plain = openvino_engine.convert(network)
    rewritten = plain.clone()
    openvino_graph.keep_channels_together(rewritten)
    return plain, rewritten


def nodes(model, kind):
    return [node for node in model.get_ops() if node.get_type_name() == kind]


def compiled(model, shape, precision="f32"):
    model.reshape({port: shape if i == 0 else shape[:1] for i, port in enumerate(model.inputs)})
    # The process's one core: a second one, dropped, would leave this thread without its signal stack.
    return openvino_engine.CORE.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})


def test_it_computes_what_the_network_computes():
    """With heads, classes, scale and shift, and residual downsampling."""
    network = small(
        attention_head_dim=8,
        num_class_embeds=5,
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        mid_block_type=None,
    )
    model = openvino_engine.convert(network)
    assert not nodes(model, "GroupNormalization")
    arguments = inputs(3, size=16, classes=5)
    for in_one in (False, True):
        if in_one:
            openvino_graph.upsample_in_one(model, torch.float32)
        got = compiled(model, (3, 3, 16, 16))([part.numpy() for part in arguments])[0]
        assert relative_error(torch.from_numpy(got), truth(network, *arguments)) < 1e-5
    assert not nodes(model, "Interpolate")


def test_upsampled_apart_each_image_has_the_bits_that_it_has_alone():
    """In bf16, where OpenVINO rounds between the convolution and its bias if it does not add it within."""
    model = openvino_engine.convert(small())
    x, t_index = inputs(3, size=16)
    outputs = {}
    for n, apart in ((1, False), (3, True)):
        one = model.clone()
        one.reshape({port: (n, *x.shape[1:]) if i == 0 else (n,) for i, port in enumerate(one.inputs)})
        openvino_graph.upsample_in_one(one, torch.bfloat16, apart)
        assert len(nodes(one, "ConvolutionBackpropData")) == n
        run = compiled(one, (n, *x.shape[1:]), "bf16")
        parts = zip(x.split(n), t_index.split(n), strict=True)
        outputs[n] = torch.cat([torch.from_numpy(run([part.numpy() for part in each])[0].copy()) for each in parts])
    assert outputs[1].equal(outputs[3])


def test_the_image_in_two_parts_is_what_every_reader_of_it_sees():
    """Computed in fp32, so that only the parts differ from the image itself: bf16's digits are lost without them."""
    blocks = {"down_block_types": ("SkipDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "SkipUpBlock2D")}
    network = small(norm_num_groups=8, center_input_sample=True, mid_block_type=None, **blocks)
    model = openvino_engine.convert(network)
    openvino_graph.take_two_parts(model, openvino_engine.PREFIX + "conv_in.weight")
    x, t_index = inputs(3)
    parts = in_two_parts(2 * x - 1, torch.bfloat16)
    expected = truth(network, x, t_index)
    got = compiled(model, tuple(parts.shape))([parts.numpy(), t_index.numpy()])[0]
    assert relative_error(torch.from_numpy(got), expected) < 1e-5


def test_means_far_from_zero_do_not_drown_the_deviation(monkeypatch):
    """In bf16 the variance of a group would be lost in E[x²] − E[x]²."""
    network = small()
    for name, parameter in network.named_parameters():
        if name.endswith("conv1.bias") or name == "conv_in.bias":
            parameter.data += 20
    expected = truth(network, *inputs(2))
    errors = []
    for model in plain_and_rewritten(network, monkeypatch):
        model = compiled(model, (2, 3, 8, 8), "bf16")
        errors.append(relative_error(torch.from_numpy(model([part.numpy() for part in inputs(2)])[0]), expected))
    assert errors[1] < max(0.02, 1.5 * errors[0])


def test_images_are_not_reordered_in_memory(monkeypatch):
    network = unet("cifar10-tiny", layers_per_block=1).eval()
    counts = []
    for model in plain_and_rewritten(network, monkeypatch):
        runtime = compiled(model, (1, 3, 32, 32)).get_runtime_model()
        moved = [
            node
            for node in runtime.get_ops()
            if node.get_rt_info()["layerType"].astype(str) == "Reorder" and node.get_output_size()
        ]
        counts.append(sum(torch.Size(node.get_output_shape(0)).numel() > 2048 for node in moved))
    assert counts[1] < counts[0] / 4

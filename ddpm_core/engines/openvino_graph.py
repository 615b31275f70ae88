"""Rewrite the graph of a network, so that OpenVINO computes the same output faster on a CPU.

Convolutions are fastest if the channels of a pixel are next to each other in memory. OpenVINO's group normalisation and
its reshape for attention need the pixels of a channel next to each other, so OpenVINO would reorder each activation
twice. Here, both normalisation and reshape are expressed by operations that accept either order.
"""

from __future__ import annotations

import numpy as np
import torch
from openvino import Model, Node, Output, PartialShape
from openvino import opset13 as op
from openvino.op import Constant


def keep_channels_together(model: Model) -> None:
    """Rewrite group normalisation and attention of a network in place, so that activations are not reordered."""
    _flatten_after_norm(model)
    model.validate_nodes_and_infer_types()
    _flatten_by_pixel(model)
    for node in _all(model, "GroupNormalization"):
        _replace(node, _group_norm(node))
    model.validate_nodes_and_infer_types()


# Row i of the 4×4 kernel in `upsample_in_one` is the sum of these rows of the 3×3 kernel.
_TAPS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)


def upsample_in_one(model: Model, dtype: torch.dtype, apart: bool = False) -> None:
    """Replace each upsampling ×2 and the 3×3 convolution after it by one transposed convolution, in place.

    On doubled pixels, a 3×3 kernel covers only 2×2 different pixels. So a transposed convolution of stride 2 with a 4×4
    kernel gives the same output with 2.25 times fewer products. Each number of the 4×4 kernel is a sum of one, two or
    four numbers of the 3×3 kernel. The 3×3 kernel is first rounded to the dtype; an owned network's kernel already is
    rounded. The network must have one fixed shape.

    apart: convolve each image of a batch alone. For some shapes, OpenVINO adds products in another order for several
    images than for one.
    """
    for conv in _all(model, "Convolution"):
        doubled, kernel = _inputs(conv)
        same = list(kernel.shape)[2:] == [3, 3] and list(conv.shape)[2:] == list(doubled.shape)[2:]
        image, numbers = same and _doubled(doubled.get_node()), _numbers(kernel.get_node())
        if image and numbers is not None:
            rounded = torch.tensor(numbers).to(dtype).float().numpy()
            wide = op.constant(np.ascontiguousarray((_TAPS @ rounded @ _TAPS.T).transpose(1, 0, 2, 3)))
            if apart:
                _convolve_apart(conv, image, wide)
            else:
                _replace(conv, _transposed_convolution(image, wide))
    model.validate_nodes_and_infer_types()


def _transposed_convolution(image: Output, kernel: Node) -> Node:
    """Return a transposed convolution of stride 2 that doubles the sides of the image. kernel: 4×4."""
    return op.convolution_backprop_data(image, kernel, [2, 2], None, [1, 1], [1, 1], [1, 1])


def _convolve_apart(conv: Node, image: Output, kernel: Node) -> None:
    """Replace a convolution and its bias by a transposed convolution with bias for each image of the batch.

    OpenVINO adds a bias before rounding only if the bias is a constant that nothing else uses. So each image has its
    own constant.
    """
    found = _biased(conv)
    outputs = []
    for alone in op.split(image, op.constant(np.int64(0)), image.get_partial_shape()[0].get_length()).outputs():
        convolved = _transposed_convolution(alone, kernel)
        outputs.append(op.add(convolved, op.constant(found[1])) if found else convolved)
    together = op.concat(outputs, 0)
    for node in (found[0], conv) if found else (conv,):
        _replace(node, together)


def _biased(conv: Node) -> tuple[Node, np.ndarray] | None:
    """Return the node that adds a bias to a convolution, and the bias as (1, C, 1, 1); None if there is no bias."""
    for target in conv.output(0).get_target_inputs():
        if target.get_node().get_type_name() == "Add":
            bias = _inputs(target.get_node())[1 - target.get_index()].get_node()
            numbers = _numbers(_inputs(bias)[0].get_node() if bias.get_type_name() == "Reshape" else bias)
            if numbers is not None and numbers.size == conv.shape[1]:
                return target.get_node(), numbers.reshape(1, -1, 1, 1)
    return None


def _doubled(node: Node) -> Output | None:
    """Return the input of a node that doubles the sides of an image by nearest-neighbour upsampling, else None."""
    if node.get_type_name() == "Interpolate" and node.get_attributes()["mode"] == "nearest":
        image = _inputs(node)[0]
        if list(node.shape)[2:] == [2 * side for side in list(image.shape)[2:]]:
            return image
    return None


def _numbers(kernel: Node) -> np.ndarray | None:
    """Return the numbers of a constant kernel or bias as float32; None if it is not constant."""
    if kernel.get_type_name() == "Convert":
        kernel = _inputs(kernel)[0].get_node()
    return kernel.get_data(dtype=np.float32) if isinstance(kernel, Constant) else None


def unite_attention(model: Model) -> None:
    """Rewrite the attention of a network with one fixed shape, in place, so that its numbers don't depend on the batch.

    OpenVINO computes attention in one fused kernel if there is work for all cores, and otherwise in single operations,
    which round differently. OpenVINO divides the work by images and heads, and also by pixels if their number is even.
    So for an odd number of pixels, such as 7×7, and few heads, the choice would depend on the batch. Such attention is
    rewritten with the softmax along the other axis, which OpenVINO never fuses.
    """
    for node in _all(model, "ScaledDotProductAttention"):
        query, key, value = _inputs(node)[:3]
        pixels = query.get_partial_shape()[2]
        if len(_inputs(node)) == 3 and pixels.is_static and pixels.get_length() % 2:
            scale = op.constant(np.float32(query.get_partial_shape()[3].get_length() ** -0.5))
            scores = op.matmul(key, op.multiply(query, scale), False, True)  # (N, heads, key, query)
            weights = op.softmax(scores, -2)
            _replace(node, op.matmul(weights, value, True, False))
    model.validate_nodes_and_infer_types()


def take_two_parts(model: Model, kernel_name: str) -> None:
    """Change a converted network in place so that it takes its image in two parts, as common.in_two_parts returns it.

    kernel_name: the name of the first convolution's kernel. If the original network computes 2x − 1 from its image
    first, the changed network takes 2x − 1 as its image.
    """
    image = model.inputs[0].get_node()
    convs = _all(model, "Convolution")
    (conv,) = (node for node in convs if node.input_value(1).get_node().get_friendly_name() == kernel_name)
    seen, kernel = _inputs(conv)
    others = [target for target in seen.get_target_inputs() if target.get_node().get_type_name() != "Convolution"]
    image.set_partial_shape(PartialShape([-1, 2 * _channels(kernel), -1, -1]))
    image.validate_and_infer_types()
    # A Skip block also uses the image.
    if any(target.get_node().get_type_name() != "ShapeOf" for target in others):
        parts = op.split(image, op.constant(np.int64(1)), 2)
        whole = op.add(parts.output(0), parts.output(1))
        for target in others:
            target.replace_source_output(whole.output(0))
    conv.input(0).replace_source_output(image.output(0))
    conv.input(1).replace_source_output(op.concat([kernel, kernel], 1).output(0))
    model.validate_nodes_and_infer_types()


def _group_norm(node: Node) -> Node:
    """Return group normalisation as (x − μ) γ/√(σ² + ε) + β, where μ and γ/√(σ² + ε) are numbers per image and channel.

    The mean of a group is the mean of the means of its channels. σ² is the mean of (x − μ)², because E[x²] − μ² would
    lose its digits in bf16.
    """
    x, gamma, beta = _inputs(node)
    groups, epsilon = (node.get_attributes()[name] for name in ("num_groups", "epsilon"))
    channels, rank = _channels(x), len(x.get_partial_shape())
    per_group = groups, channels // groups
    pixels = _ints(*range(2, rank))

    def by_group(y: Node | Output) -> Node:
        """Return numbers per channel as (N, groups, channels of a group)."""
        return op.reshape(y, _ints(0, *per_group), True)

    def by_channel(y: Node) -> Node:
        """Return numbers per channel as (N, C, 1, ..., 1)."""
        return op.reshape(y, _ints(0, channels, *[1] * (rank - 2)), True)

    def mean(y: Node) -> Node:
        """Return the mean of each group, from numbers per channel of a group."""
        return op.reduce_mean(y, _ints(2), True)

    x, embedding = _split_embedding(x)
    shift = by_group(embedding) if embedding else op.constant(np.zeros((1, *per_group), np.float32))
    # The norm of x + shift needs (x + shift) − mean. This is x − mu, where mu is mean − shift.
    mu = by_channel(op.subtract(mean(op.add(by_group(op.reduce_mean(x, pixels)), shift)), shift))
    # squared_difference computes x − mu a second time, because sharing it with the last line would keep it in memory.
    variance = mean(by_group(op.reduce_mean(op.squared_difference(x, mu), pixels)))
    gamma, beta = (op.reshape(y, _ints(1, *per_group), False) for y in (gamma, beta))
    scale = op.divide(gamma, op.sqrt(op.add(variance, op.constant(np.float32(epsilon)))))
    return op.add(op.multiply(op.subtract(x, mu), by_channel(scale)), by_channel(beta))


def _split_embedding(x: Output) -> tuple[Output, Output | None]:
    """Return the image and the time embedding if x is their sum, else x and None.

    The embedding has one number per channel. `_group_norm` adds the embedding at a lower cost.
    """
    if x.get_node().get_type_name() == "Add" and len(x.get_target_inputs()) == 1:
        image, embedding = _inputs(x.get_node())
        if embedding.get_partial_shape() == PartialShape([-1, _channels(x), 1, 1]):
            return image, embedding
    return x, None


def _flatten_after_norm(model: Model) -> None:
    """Rewrite norm(flatten(x)) as flatten(norm(x)), where x is (N, C, H, W) and flatten(x) is (N, C, HW)."""
    for node in _all(model, "Transpose"):  # removes both transpositions before an attention layer's norm
        once = _transposed(node)
        twice = once and _transposed(once.get_node())
        if twice:
            _replace(node, twice)
    for node in _all(model, "GroupNormalization"):
        image = _flattened(_inputs(node)[0])
        if image:
            targets = node.output(0).get_target_inputs()
            node.input(0).replace_source_output(image)
            flat = op.reshape(node.output(0), _ints(0, _channels(image), -1), True)
            for target in targets:
                target.replace_source_output(flat.output(0))


def _flatten_by_pixel(model: Model) -> None:
    """Rewrite reshapes between (N, C, H, W) and (N, HW, C) so that they go through (N, H, W, C).

    (N, H, W, C) has the same order in memory as an image whose channels are next to each other.
    """
    for node in _all(model, "Transpose"):
        flat = _transposed(node)
        image = flat and _flattened(flat)
        if image:
            rows = op.transpose(image, _ints(0, 2, 3, 1))
            _replace(node, op.reshape(rows, _ints(0, -1, _channels(image)), True))
    for node in _all(model, "Reshape"):
        flat = _transposed(_inputs(node)[0].get_node())
        if flat and len(node.get_output_partial_shape(0)) == 4:
            shape = op.gather(_inputs(node)[1], _ints(0, 2, 3, 1), _ints(0))
            _replace(node, op.transpose(op.reshape(flat, shape, False), _ints(0, 3, 1, 2)))


def _transposed(node: Node) -> Output | None:
    """Return y if the node is y with the last two of its three axes exchanged, else None."""
    if node.get_type_name() == "Transpose":
        y, order = _inputs(node)
        if order.get_node().get_type_name() == "Constant" and order.get_node().data.tolist() == [0, 2, 1]:
            return y
    return None


def _flattened(y: Output) -> Output | None:
    """Return the image (N, C, H, W) if y is this image reshaped to (N, C, HW), else None."""
    if y.get_node().get_type_name() == "Reshape" and len(y.get_partial_shape()) == 3:
        image = _inputs(y.get_node())[0]
        if len(image.get_partial_shape()) == 4 and _channels(image) == _channels(y):
            return image
    return None


def _channels(y: Output) -> int:
    """Return the length of the second axis, or −1 if it is not fixed."""
    dimension = y.get_partial_shape()[1]
    return dimension.get_length() if dimension.is_static else -1


def _all(model: Model, kind: str) -> list[Node]:
    """Return all nodes of a type, such as "Transpose"."""
    return [node for node in model.get_ordered_ops() if node.get_type_name() == kind]


def _inputs(node: Node) -> list[Output]:
    """Return the inputs of a node, which are outputs of other nodes."""
    return [port.get_source_output() for port in node.inputs()]


def _replace(node: Node, other: Node | Output) -> None:
    """Let everything that uses the first output of a node use `other` instead."""
    for target in node.output(0).get_target_inputs():
        target.replace_source_output(other.output(0) if isinstance(other, Node) else other)


def _ints(*values: int) -> Node:
    """Return an int64 constant with these values."""
    return op.constant(np.array(values, np.int64))

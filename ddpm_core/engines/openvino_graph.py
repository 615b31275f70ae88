"""Rewrites the network's graph so that it is fast on a CPU; what it computes stays the same.

Convolutions are fastest with the channels of a pixel next to each other in memory. OpenVINO's group normalisation and
its reshape for attention need the pixels of a channel next to each other, so it would reorder every activation there
and back. Here both are written in operations that accept either order.
"""

from __future__ import annotations

import numpy as np
import torch
from openvino import Model, Node, Output, PartialShape
from openvino import opset13 as op
from openvino.op import Constant


def keep_channels_together(model: Model) -> None:
    """Rewrite a converted network in place."""
    _flatten_after_norm(model)
    model.validate_nodes_and_infer_types()
    _flatten_by_pixel(model)
    for node in _all(model, "GroupNormalization"):
        _replace(node, _group_norm(node))
    model.validate_nodes_and_infer_types()


# Which of a kernel's three rows fall together on each row of a kernel of four, see `upsample_in_one`.
_TAPS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)


def upsample_in_one(model: Model, dtype: torch.dtype, apart: bool = False) -> None:
    """Join each nearest ×2 with the 3×3 convolution after it, in place. The network must have one fixed shape.

    On doubled pixels such a kernel sees 2×2 different ones. So it is a transposed convolution of stride 2 with a kernel
    of 4×4, whose numbers are sums of one, two or four of its own, and there are 2.25 times fewer products. Its own are
    first rounded to the dtype, as they are already where a network is owned.

    apart: convolve each image of a batch by itself. For some shapes, OpenVINO adds the products of several images in
    another order than those of one.
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
    return op.convolution_backprop_data(image, kernel, [2, 2], None, [1, 1], [1, 1], [1, 1])


def _convolve_apart(conv: Node, image: Output, kernel: Node) -> None:
    """Replace a convolution, and the bias that is added to it, by a transposed one of each image.

    OpenVINO adds a bias before it rounds if it is a constant that nothing else reads: so each has its own.
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
    """The sum of a convolution and its bias, and the bias as (1, C, 1, 1)."""
    for target in conv.output(0).get_target_inputs():
        if target.get_node().get_type_name() == "Add":
            bias = _inputs(target.get_node())[1 - target.get_index()].get_node()
            numbers = _numbers(_inputs(bias)[0].get_node() if bias.get_type_name() == "Reshape" else bias)
            if numbers is not None and numbers.size == conv.shape[1]:
                return target.get_node(), numbers.reshape(1, -1, 1, 1)
    return None


def _doubled(node: Node) -> Output | None:
    """The image of which the node makes each pixel two by two."""
    if node.get_type_name() == "Interpolate" and node.get_attributes()["mode"] == "nearest":
        image = _inputs(node)[0]
        if list(node.shape)[2:] == [2 * side for side in list(image.shape)[2:]]:
            return image
    return None


def _numbers(kernel: Node) -> np.ndarray | None:
    """The numbers of a kernel or a bias, float32, where it is constant."""
    if kernel.get_type_name() == "Convert":
        kernel = _inputs(kernel)[0].get_node()
    return kernel.get_data(dtype=np.float32) if isinstance(kernel, Constant) else None


def unite_attention(model: Model) -> None:
    """Make the attention of a network for one fixed shape give the same numbers for every batch, in place.

    OpenVINO computes attention in one fused kernel where it finds work for all cores, and else in single operations,
    which round elsewhere. Work is images × heads, or parts of the pixels if their number is even. So with an odd number
    (7×7) and few heads it would depend on the batch. With the softmax down the columns it is never fused.
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
    """Make a converted network take its image as common.in_two_parts gives it, in place.

    kernel_name: of the first convolution's kernel. A network that centers its image takes it centered.
    """
    image = model.inputs[0].get_node()
    convs = _all(model, "Convolution")
    (conv,) = (node for node in convs if node.input_value(1).get_node().get_friendly_name() == kernel_name)
    seen, kernel = _inputs(conv)
    others = [target for target in seen.get_target_inputs() if target.get_node().get_type_name() != "Convolution"]
    image.set_partial_shape(PartialShape([-1, 2 * _channels(kernel), -1, -1]))
    image.validate_and_infer_types()
    if any(target.get_node().get_type_name() != "ShapeOf" for target in others):  # a Skip block's
        parts = op.split(image, op.constant(np.int64(1)), 2)
        whole = op.add(parts.output(0), parts.output(1))
        for target in others:
            target.replace_source_output(whole.output(0))
    conv.input(0).replace_source_output(image.output(0))
    conv.input(1).replace_source_output(op.concat([kernel, kernel], 1).output(0))
    model.validate_nodes_and_infer_types()


def _group_norm(node: Node) -> Node:
    """(x − μ) γ/√(σ² + ε) + β, with μ and γ/√(σ² + ε) of one number for each image and channel.

    A group's mean is the mean over its channels of their means over the pixels. σ² is the mean of (x − μ)²: E[x²] − μ²
    would drown in the rounding of bf16.
    """
    x, gamma, beta = _inputs(node)
    groups, epsilon = (node.get_attributes()[name] for name in ("num_groups", "epsilon"))
    channels, rank = _channels(x), len(x.get_partial_shape())
    per_group = groups, channels // groups
    pixels = _ints(*range(2, rank))

    def by_group(y: Node | Output) -> Node:
        return op.reshape(y, _ints(0, *per_group), True)

    def by_channel(y: Node) -> Node:
        return op.reshape(y, _ints(0, channels, *[1] * (rank - 2)), True)

    def mean(y: Node) -> Node:
        return op.reduce_mean(y, _ints(2), True)

    x, embedding = _split_embedding(x)
    shift = by_group(embedding) if embedding else op.constant(np.zeros((1, *per_group), np.float32))
    # x + shift is what is normalised, and what has mean 0 is x − mu.
    mu = by_channel(op.subtract(mean(op.add(by_group(op.reduce_mean(x, pixels)), shift)), shift))
    # Not the square of the difference below: that difference would then be kept in memory for both.
    variance = mean(by_group(op.reduce_mean(op.squared_difference(x, mu), pixels)))
    gamma, beta = (op.reshape(y, _ints(1, *per_group), False) for y in (gamma, beta))
    scale = op.divide(gamma, op.sqrt(op.add(variance, op.constant(np.float32(epsilon)))))
    return op.add(op.multiply(op.subtract(x, mu), by_channel(scale)), by_channel(beta))


def _split_embedding(x: Output) -> tuple[Output, Output | None]:
    """An image and the time embedding that is added to it, one number per channel, so that the norm can add it."""
    if x.get_node().get_type_name() == "Add" and len(x.get_target_inputs()) == 1:
        image, embedding = _inputs(x.get_node())
        if embedding.get_partial_shape() == PartialShape([-1, _channels(x), 1, 1]):
            return image, embedding
    return x, None


def _flatten_after_norm(model: Model) -> None:
    """norm(flatten(x)) = flatten(norm(x)), with x: (N, C, H, W) and flatten(x): (N, C, HW)."""
    for node in _all(model, "Transpose"):  # attention transposes twice before its norm
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
    """(N, C, H, W) to (N, HW, C) and back through (N, H, W, C), which may lie in memory as the image does."""
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
    """y, where the node is y with its last two of three dimensions exchanged."""
    if node.get_type_name() == "Transpose":
        y, order = _inputs(node)
        if order.get_node().get_type_name() == "Constant" and order.get_node().data.tolist() == [0, 2, 1]:
            return y
    return None


def _flattened(y: Output) -> Output | None:
    """The image (N, C, H, W), where y is that as (N, C, HW)."""
    if y.get_node().get_type_name() == "Reshape" and len(y.get_partial_shape()) == 3:
        image = _inputs(y.get_node())[0]
        if len(image.get_partial_shape()) == 4 and _channels(image) == _channels(y):
            return image
    return None


def _channels(y: Output) -> int:
    dimension = y.get_partial_shape()[1]
    return dimension.get_length() if dimension.is_static else -1


def _all(model: Model, kind: str) -> list[Node]:
    return [node for node in model.get_ordered_ops() if node.get_type_name() == kind]


def _inputs(node: Node) -> list[Output]:
    return [port.get_source_output() for port in node.inputs()]


def _replace(node: Node, other: Node | Output) -> None:
    for target in node.output(0).get_target_inputs():
        target.replace_source_output(other.output(0) if isinstance(other, Node) else other)


def _ints(*values: int) -> Node:
    return op.constant(np.array(values, np.int64))

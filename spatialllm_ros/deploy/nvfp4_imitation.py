"""What TensorRT rounds to 4-bit floats on a GPU, computed with operators that every runtime has.

A function inside the graph: ONNX Runtime puts its steps in the place of the nodes that call it.
"""

from __future__ import annotations

import onnx
from onnx import helper, parser

DOMAIN, NAME = 'spatialllm_ros', 'RoundInBlocks'
STEPS = """
<domain: "spatialllm_ros", opset_import: ["" : OPSET]>
RoundInBlocks (x, whole) => (rounded)
{
    one = Constant <value_float = 1.0> ()
    two = Constant <value_float = 2.0> ()
    four = Constant <value_float = 4.0> ()
    six = Constant <value_float = 6.0> ()
    last = Constant <value_ints = [-1]> ()
    in_blocks = Constant <value_ints = [0, 0, -1, 16]> ()
    wide = Cast <to = 1> (x)
    blocks = Reshape (wide, in_blocks)
    sizes = Abs (blocks)
    peaks = ReduceMax (sizes, last)
    shares = Div (peaks, six)
    wanted = Div (shares, whole)
    small = QuantizeLinear <output_dtype = 17> (wanted, one)
    found = DequantizeLinear (small, one)
    scales = Mul (found, whole)
    is_some = Cast <to = 9> (scales)
    divisors = Where (is_some, scales, one)
    units = Div (sizes, divisors)
    capped = Min (units, six)
    doubled = Mul (capped, two)
    whole_doubles = Round (doubled)
    fine = Div (whole_doubles, two)
    middle = Round (capped)
    halved = Div (capped, two)
    whole_halves = Round (halved)
    coarse = Mul (whole_halves, two)
    is_below_four = Less (capped, four)
    upper = Where (is_below_four, middle, coarse)
    is_below_two = Less (capped, two)
    values = Where (is_below_two, fine, upper)
    signs = Sign (blocks)
    scaled = Mul (values, scales)
    signed = Mul (scaled, signs)
    shape = Shape (wide)
    together = Reshape (signed, shape)
    rounded = CastLike (together, x)
}
"""
"""Blocks of 16 in the last of three dimensions. A block's greatest value becomes 6 at a scale that
is an 8-bit float (17: E4M3) times ``whole``; 4 bits go in halves up to 2, in ones up to 4, and
then there is 6."""


def define_imitation(model: onnx.ModelProto) -> None:
    """Let a graph have nodes that ``imitation`` returns."""
    opset = next(item.version for item in model.opset_import if not item.domain)
    model.functions.append(parser.parse_function(STEPS.replace('OPSET', str(opset))))
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))


def imitation(x: str, whole: str, rounded: str) -> onnx.NodeProto:
    """Return the node that rounds a value; all are names.

    Args:
        x: (B, S, K) floats; K is a multiple of 16.
        whole: () scale of scales, float32.
        rounded: of ``x``'s type.
    """
    return helper.make_node(NAME, [x, whole], [rounded], rounded, domain=DOMAIN)

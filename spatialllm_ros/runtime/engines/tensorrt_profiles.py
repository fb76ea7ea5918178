"""Which optimisation profile of an engine takes a set of shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.engines.tensorrt_identity import Shapes

Sizes = Mapping[str, tuple[int, ...]]


def choose_profile(profiles: Mapping[str, Shapes], sizes: Sizes) -> int:
    """Return the index of the narrowest profile that all inputs fit into.

    Args:
        profiles: of the engine, in its order.
        sizes: of every input.

    Raises:
        EngineError: none does; says of each profile what does not fit and what to do.
    """
    fitting, refusals = {}, []
    for index, (name, shapes) in enumerate(profiles.items()):
        if found := _misfits(shapes, sizes):
            refusals.append(f'{name}: {", ".join(found)}')
        else:
            fitting[index] = sum(math.prod(greatest) for _, _, greatest in shapes.values())
    if not fitting:
        raise EngineError(
            f'expected inputs within a profile of the engine, found {"; ".join(refusals)}. Ask '
            'fewer questions at once, or raise --prefill or --questions of '
            '`spatialllm build-engine`'
        )
    return min(fitting, key=lambda index: fitting[index])


def _misfits(shapes: Shapes, sizes: Sizes) -> list[str]:
    return [
        f'{name} of {sizes[name]} where {tuple(least)} to {tuple(greatest)} fit'
        for name, (least, _, greatest) in shapes.items()
        if not _is_within(sizes[name], least, greatest)
    ]


def _is_within(size: tuple[int, ...], least: tuple[int, ...], greatest: tuple[int, ...]) -> bool:
    return len(size) == len(least) and all(
        low <= found <= high for low, found, high in zip(least, size, greatest, strict=True)
    )

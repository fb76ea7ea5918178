"""Which steps are kept ready, told from how often they come."""

from types import SimpleNamespace

import numpy as np

from spatialllm_ros.errors import EngineError
from spatialllm_ros.runtime.engines.tensorrt_steps import MOST_STEPS, Steps


def test_the_most_frequent_steps_are_kept():
    """Eight of twenty kinds make up most of the load; few contexts are made for all of it."""
    steps, made = Steps(), []
    rng = np.random.default_rng(0)
    shares = np.array([10] * MOST_STEPS + [1] * 12) / (10 * MOST_STEPS + 12)
    found = [
        steps.find(kind, lambda kind=kind: made.append(kind) or SimpleNamespace(kind=kind))
        for kind in rng.choice(20, size=3000, p=shares).tolist()
    ]
    assert all(step.kind < MOST_STEPS for step in found[500:] if step)
    assert sum(step is not None for step in found) > 0.8 * 3000
    assert len(made) < 3 * MOST_STEPS
    later = [steps.find(99, lambda: SimpleNamespace(kind=99)) for _ in range(1500)]
    assert later[-1].kind == 99  # what came often before makes room


def test_what_has_no_step_is_not_tried_again():
    steps, tries = Steps(), []

    def fail():
        tries.append(1)
        raise EngineError('expected memory, found none')

    assert [steps.find('key', fail) for _ in range(9)] == [None] * 9
    assert len(tries) == 1
    assert not steps.clear()

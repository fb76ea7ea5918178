"""One world seen through several lenses: the shipped model's distances have to agree."""

import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from spatialllm_ros.errors import SceneError
from spatialllm_ros.evaluation.held_out import HeldOutWorlds
from spatialllm_ros.runtime.answering import Request
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.scenes.layout import sample_world
from spatialllm_ros.scenes.simulated import SUPERSAMPLING, SceneSimulator
from spatialllm_ros.schema import Answer, Frame, Query

BUNDLE = Path(__file__).parents[2] / 'models' / 'nano'
SIZE_PX = (192, 144)
HFOV_DEG = (45, 60, 80, 100)
WORLDS = 30
SMALLEST_PX, LEAST_VISIBLE = 10, 0.7


def through(world, hfov_deg: float):
    model = world.camera.model
    focal_px = model.width_px / 2 / math.tan(math.radians(hfov_deg) / 2)
    return replace(
        world, camera=replace(world.camera, model=replace(model, fx_px=focal_px, fy_px=focal_px))
    )


def is_clear(thing) -> bool:
    left, top, right, bottom = thing.box_xyxy_px
    return thing.visibility > LEAST_VISIBLE and min(right - left, bottom - top) > SMALLEST_PX


def answered_distances(session, rendered) -> list[float]:
    frame = Frame(rendered.image, rendered.scene.camera, 0, 'optical', 'camera')
    words = [f'how far is the {thing.phrase} from the camera?' for thing in rendered.scene.objects]
    answers = session.answer_batch(session.encode(frame), [Request(Query(w)) for w in words])
    return [
        answer.number if isinstance(answer, Answer) and answer.number else math.nan
        for answer in answers
    ]


@pytest.fixture(scope='module')
def distances() -> np.ndarray:
    """Return answers (N, 4) about objects that all lenses show clearly."""
    try:
        simulator = SceneSimulator(*SIZE_PX)
    except SceneError as error:
        pytest.skip(str(error))
    session = SpatialSession.load(BUNDLE, threads=1)
    found = []
    for seed in HeldOutWorlds(count=WORLDS).seeds():
        world = sample_world(seed, *(SUPERSAMPLING * side for side in SIZE_PX))
        seen = [simulator.render_world(through(world, hfov)) for hfov in HFOV_DEG]
        answers = np.array([answered_distances(session, rendered) for rendered in seen])
        clear = np.array([[is_clear(thing) for thing in r.scene.objects] for r in seen]).all(0)
        found.append(answers[:, clear].T)
    simulator.close()
    return np.concatenate(found)


def test_distances_agree_between_lenses(distances):
    answered = distances[~np.isnan(distances).any(axis=1)]
    assert len(answered) > 40
    for one, other in combinations(range(len(HFOV_DEG)), 2):
        ratios = answered[:, one] / answered[:, other]
        pair = HFOV_DEG[one], HFOV_DEG[other]
        assert np.median(np.abs(ratios - 1)) <= 0.09, pair
        assert np.median(ratios) == pytest.approx(1, abs=0.05), pair


def test_a_wrong_lens_bends_them(distances):
    """Were the lens not told, the same pixels would say another distance."""
    tangents = [math.tan(math.radians(hfov) / 2) for hfov in HFOV_DEG]
    blind_ratio = tangents[-1] / tangents[0]
    assert blind_ratio > 2
    ratio = distances[:, -1] / distances[:, 0]
    assert np.nanmedian(ratio) < blind_ratio / 2

"""Scenes of sampled worlds with all in full view, never drawn; questions read back."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from spatialllm_ros.geometry import as_mat3, as_vec3, project
from spatialllm_ros.schema import Mention, QuestionRecord, Scene, SceneObject

SIZE_PX = (384, 288)


@pytest.fixture(scope='session')
def sampled_scene() -> Callable[[int], Scene]:
    """Return the function from a world's seed to its scene."""
    from spatialllm_ros.questions.referring import assign_phrases  # noqa: PLC0415
    from spatialllm_ros.scenes.catalogue import CATEGORIES  # noqa: PLC0415
    from spatialllm_ros.scenes.layout import sample_world  # noqa: PLC0415

    def scene_of(seed: int) -> Scene:
        world = sample_world(seed, *SIZE_PX)
        camera = world.camera
        objects = []
        for placed in world.placements:
            corners = project(camera.model, camera.to_optical(placed.corners_m()))
            low, high = np.clip([corners.min(axis=0), corners.max(axis=0)], 0, SIZE_PX)
            objects.append(
                SceneObject(
                    category=placed.category,
                    colour=placed.colour,
                    size_word=placed.size_word,
                    phrase='',
                    centre_optical_m=as_vec3(camera.to_optical(placed.centre_m)),
                    size_m=as_vec3(placed.size_m),
                    rotation_optical=as_mat3(camera.world_from_optical.T @ placed.rotation),
                    has_front=CATEGORIES[placed.category].has_front,
                    visibility=1.0,
                    box_xyxy_px=(*low.tolist(), *high.tolist()),
                    support=placed.support,
                )
            )
        named = assign_phrases(objects)
        return Scene(f'sim-{seed}', '', camera.model, named, 'simulated', 'Apache-2.0')

    return scene_of


@pytest.fixture(scope='session')
def read_back() -> Callable[[QuestionRecord], tuple[str, dict[str, Mention]]]:
    """Return the function from a question to its wording and the mention in each role."""
    from spatialllm_ros.questions.phrasings import PHRASINGS  # noqa: PLC0415

    def read(record: QuestionRecord) -> tuple[str, dict[str, Mention]]:
        blank = record.question
        for mention in reversed(record.mentions):
            blank = f'{blank[: mention.start]}{{}}{blank[mention.end :]}'
        for wording in (*PHRASINGS[record.type].train, *PHRASINGS[record.type].evaluation):
            told = re.sub(r'{.}', '{}', wording)
            if blank.replace(' an {', ' a {') in (told, re.sub('[?.,:]', '', told)):
                roles = re.findall(r'{(.)}', wording)
                return wording, dict(zip(roles, record.mentions, strict=True))
        raise AssertionError(f'no wording of {record.type} reads {blank!r}')

    return read


@pytest.fixture
def said_of_two():
    """Return the right answer to which of two is closer to the camera, told by the words alone."""

    def right(question: str, near: str, far: str) -> str:
        asks_far = 'farther' in question
        if 'than' not in question:
            return far if asks_far else near
        is_near_first = question.index(near) < question.index(far)
        return 'yes' if is_near_first != asks_far else 'no'

    return right


@pytest.fixture(scope='module')
def one_thread():
    """Have torch compute in one thread: tiny models only lose time by sharing the work."""
    import torch  # noqa: PLC0415  (not in every environment)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

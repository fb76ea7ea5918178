"""What depth tells of objects that the shipped model locates in rendered worlds, against truth."""

import math

import numpy as np
import pytest

from spatialllm_ros.runtime.depth import measured_range_m
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.scenes.layout import sample_world
from spatialllm_ros.scenes.simulated import SUPERSAMPLING, SceneSimulator
from spatialllm_ros.scenes.simulated_renderer import FAR_M, NEAR_M, WorldRenderer
from spatialllm_ros.schema import Frame, Query

WIDTH, HEIGHT = 320, 240
DRAWN = (WIDTH * SUPERSAMPLING, HEIGHT * SUPERSAMPLING)
SEEDS = range(970_000_000, 970_000_008)
"""Of worlds that training never saw."""


class DepthRenderer(WorldRenderer):
    """Reads the depth buffer too."""

    def depth_image(self, world):
        """Return (H, W) metres along the optical axis, of the image's size."""
        self._fill(world, range(len(world.placements)), room=True)
        self._scene.flags[self._mj.mjtRndFlag.mjRND_SEGMENT] = 0
        width, height = self._size
        pixels, buffer = np.empty((height, width, 3), np.uint8), np.empty((height, width), 'f4')
        self._mj.mjr_render(self._rect, self._scene, self._context)
        self._mj.mjr_readPixels(pixels, buffer, self._rect, self._context)
        # OpenGL keeps 1 / z, from 0 at the near plane to 1 at the far one; its rows go up.
        z_m = NEAR_M / (1 - buffer[::-1] * (1 - NEAR_M / FAR_M))
        return z_m[::SUPERSAMPLING, ::SUPERSAMPLING]


@pytest.fixture(scope='module')
def located():
    """Measured and true distance of each object that the model locates, and its half diagonal."""
    session, simulator = SpatialSession.load('nano', 'onnx', 1), SceneSimulator(WIDTH, HEIGHT)
    rows = []
    with DepthRenderer(*DRAWN) as renderer:
        for seed in SEEDS:
            world = sample_world(seed, *DRAWN)
            rendered, depth_m = simulator.render_world(world), renderer.depth_image(world)
            camera = rendered.scene.camera
            frame = Frame(rendered.image, camera, 0, 'optical', 'camera')
            encoded = session.encode(frame)
            for item in rendered.scene.objects:
                if not item.phrase or item.visibility < 0.5:
                    continue
                place = session.answer(encoded, Query(f'where is the {item.phrase}?')).pose
                if place is not None:
                    measured_m = measured_range_m(depth_m, camera, place.centre_px)
                    half_m = math.hypot(*item.size_m) / 2
                    rows.append((measured_m, math.hypot(*item.centre_optical_m), half_m))
    simulator.close()
    return np.array(rows)


def test_the_surface_is_a_little_nearer_than_the_centre(located):
    measured_m, centre_m, half_m = located.T
    nearer_m = centre_m - measured_m
    is_its_own = np.abs(nearer_m) <= half_m
    print(f'{len(located)} objects: {is_its_own.mean():.0%} measured within half their diagonal '
          f'of the centre, nearer than it by {np.median(nearer_m):.2f} m '
          f'({np.median(nearer_m / centre_m):.1%}) in the median')  # fmt: skip
    assert len(located) > 20
    assert is_its_own.mean() > 0.8
    assert 0 < np.median(nearer_m) < np.median(half_m)

"""From a simulated world to a Scene with its image and the map of which object is where."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialllm_ros.geometry import as_mat3, as_vec3, fit_letterbox, letterboxed_camera, project
from spatialllm_ros.questions.referring import assign_phrases
from spatialllm_ros.scenes.layout import sample_world
from spatialllm_ros.scenes.shards import OWNER_STRIDE_PX, RenderedScene
from spatialllm_ros.scenes.simulated_renderer import WorldRenderer
from spatialllm_ros.scenes.world_styles import TRAINED, WorldStyle
from spatialllm_ros.scenes.worlds import Placement, World, scene_id
from spatialllm_ros.schema import Scene, SceneObject

SUPERSAMPLING = 2
"""Worlds are drawn this many times larger and averaged down, as a real camera's image would be."""
SOURCE, LICENCE = 'simulated', 'Apache-2.0'


class SceneSimulator:
    """Makes the scene of any seed at one image size."""

    def __init__(self, width_px: int, height_px: int) -> None:
        """Open the renderer.

        Raises:
            SceneError: there is no OpenGL to draw with.
        """
        self._size = (width_px, height_px)
        drawn = (width_px * SUPERSAMPLING, height_px * SUPERSAMPLING)
        self._renderer = WorldRenderer(*drawn)
        self._drawn = drawn

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    def render(self, seed: int, style: WorldStyle = TRAINED) -> RenderedScene:
        """Return the scene of a seed."""
        return self.render_world(sample_world(seed, *self._drawn, style))

    def render_world(self, world: World) -> RenderedScene:
        """Return the scene of a world whose camera has the drawn (supersampled) size."""
        large = self._renderer.colour_image(world)
        image = cv2.resize(large, self._size, interpolation=cv2.INTER_AREA)
        shown = self._renderer.object_image(world)
        objects = tuple(
            self._describe(world, index, shown) for index in range(len(world.placements))
        )
        box = fit_letterbox(*self._drawn, *self._size)
        scene = Scene(
            scene_id=scene_id(world.seed),
            image='',
            camera=letterboxed_camera(world.camera.model, box),
            objects=assign_phrases(objects),
            source=SOURCE,
            licence=LICENCE,
        )
        step = OWNER_STRIDE_PX * SUPERSAMPLING
        owners = shown[step // 2 :: step, step // 2 :: step].astype(np.int8)
        return RenderedScene(scene, image.astype(np.uint8), owners)

    def _describe(self, world: World, index: int, shown: NDArray[np.int16]) -> SceneObject:
        placement = world.placements[index]
        mask = shown == index
        alone = self._renderer.object_image(world, only=index) == index
        share_inside = _share_inside(world, placement)
        visibility = float(mask.sum() / max(int(alone.sum()), 1)) * share_inside
        camera = world.camera
        rotation = camera.world_from_optical.T @ placement.rotation
        return SceneObject(
            category=placement.category,
            colour=placement.colour,
            size_word=placement.size_word,
            phrase='',
            centre_optical_m=as_vec3(camera.to_optical(placement.centre_m)),
            size_m=as_vec3(placement.size_m),
            rotation_optical=as_mat3(rotation),
            has_front=placement.build.has_front,
            visibility=visibility,
            box_xyxy_px=_mask_box(mask),
            support=placement.support,
        )


def _share_inside(world: World, placement: Placement) -> float:
    """Return the share of the object's image box that the image holds."""
    camera = world.camera
    points = project(camera.model, camera.to_optical(placement.corners_m()))
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.array([camera.model.width_px, camera.model.height_px])
    inside = np.clip(high, 0, size) - np.clip(low, 0, size)
    return float(np.prod(inside) / np.prod(high - low))


def _mask_box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Return the box (left, top, right, bottom) of a mask in pixels of the averaged image."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return (0.0, 0.0, 0.0, 0.0)
    edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / SUPERSAMPLING - 0.5
    left, top, right, bottom = (float(edge) for edge in edges)
    return (left, top, right, bottom)

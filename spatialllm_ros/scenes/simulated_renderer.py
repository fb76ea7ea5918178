"""Draw a simulated world off screen with MuJoCo: colours and which object each pixel shows.

The compiled model holds only textures, lights and the size of the frame buffer. Every solid is
added to the scene as a bare visual primitive, so no world needs a compilation and memory does not
grow with the number of worlds.
"""

from __future__ import annotations

import io
import math
import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spatialllm_ros.errors import SceneError
from spatialllm_ros.scenes.catalogue import COLOURS
from spatialllm_ros.scenes.primitives import PAINT, ROLE_RGB
from spatialllm_ros.scenes.worlds import Placement, World

if TYPE_CHECKING:
    import mujoco

MAX_SOLIDS = 400
SHADOW_MAP_PX = 1024
NEAR_M, FAR_M = 0.05, 40.0
SHADE = 0.62
"""How much darker than the paint the ``shade`` role is."""
FLOOR_HALF_M = 14.0

GL_ADVICE = (
    'no off-screen OpenGL found: install one of the Debian packages libegl1 + libgl1-mesa-dri '
    '(MUJOCO_GL=egl) or libosmesa6 (MUJOCO_GL=osmesa)'
)


def load_mujoco() -> mujoco:
    """Import MuJoCo with an off-screen OpenGL back end, EGL first.

    Raises:
        SceneError: neither EGL nor OSMesa works here; the message names the Debian packages.
    """
    os.environ.setdefault('LP_NUM_THREADS', '0')
    wanted = [os.environ['MUJOCO_GL']] if 'MUJOCO_GL' in os.environ else ['egl', 'osmesa']
    for name in wanted:
        os.environ['MUJOCO_GL'] = name
        os.environ['PYOPENGL_PLATFORM'] = name
        try:
            import mujoco  # noqa: PLC0415  (the back end is chosen when it is imported)

            context = mujoco.GLContext(16, 16)
            context.make_current()
            context.free()
        except (ImportError, AttributeError, RuntimeError, OSError):
            continue
        return mujoco
    raise SceneError(GL_ADVICE)


class WorldRenderer:
    """Renders worlds at one image size; close it, or use it as a context manager."""

    def __init__(self, width_px: int, height_px: int) -> None:
        """Open the off-screen buffers.

        Raises:
            SceneError: there is no OpenGL to draw with.
        """
        self._mj = load_mujoco()
        mj = self._mj
        self._size = (width_px, height_px)
        self._gl = mj.GLContext(width_px, height_px)
        self._gl.make_current()
        xml, assets = _frame_model(width_px, height_px)
        self._model = mj.MjModel.from_xml_string(xml, assets)
        self._data = mj.MjData(self._model)
        mj.mj_forward(self._model, self._data)
        self._scene = mj.MjvScene(self._model, maxgeom=MAX_SOLIDS)
        self._context = mj.MjrContext(self._model, mj.mjtFontScale.mjFONTSCALE_100)
        mj.mjr_setBuffer(mj.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._rect = mj.MjrRect(0, 0, width_px, height_px)

    def __enter__(self) -> WorldRenderer:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the buffers."""
        self.close()

    def close(self) -> None:
        """Free the OpenGL buffers; the renderer cannot be used afterwards."""
        self._context.free()
        self._gl.free()

    def colour_image(self, world: World) -> NDArray[np.uint8]:
        """Return the (H, W, 3) image of the world."""
        self._fill(world, range(len(world.placements)), room=True)
        self._scene.flags[self._mj.mjtRndFlag.mjRND_SEGMENT] = 0
        self._scene.flags[self._mj.mjtRndFlag.mjRND_IDCOLOR] = 0
        return self._read()

    def object_image(self, world: World, only: int | None = None) -> NDArray[np.int16]:
        """Return (H, W) indices of the object each pixel shows; -1 is no object.

        Args:
            world: what to draw.
            only: draw this one object alone, as if nothing hid it.
        """
        shown = range(len(world.placements)) if only is None else [only]
        self._fill(world, shown, room=only is None)
        self._scene.flags[self._mj.mjtRndFlag.mjRND_SEGMENT] = 1
        self._scene.flags[self._mj.mjtRndFlag.mjRND_IDCOLOR] = 1
        codes = self._read().astype(np.int32)
        return (codes[..., 0] + (codes[..., 1] << 8) - 1).astype(np.int16)

    def _read(self) -> NDArray[np.uint8]:
        width, height = self._size
        pixels = np.empty((height, width, 3), np.uint8)
        self._mj.mjr_render(self._rect, self._scene, self._context)
        self._mj.mjr_readPixels(pixels, None, self._rect, self._context)
        return np.ascontiguousarray(pixels[::-1])

    def _fill(self, world: World, shown: range | list[int], room: bool) -> None:
        self._gl.make_current()
        self._scene.ngeom = 0
        if room:
            self._add_room(world)
        for index in shown:
            self._add_object(world.placements[index], index)
        self._set_camera(world)
        self._set_light(world)

    def _add(
        self, shape: str, half: NDArray[np.float64], centre: NDArray[np.float64],
        rotation: NDArray[np.float64], rgb: tuple[float, float, float],
    ) -> mujoco.MjvGeom:  # fmt: skip
        mj = self._mj
        kind = {
            'box': mj.mjtGeom.mjGEOM_BOX,
            'ellipsoid': mj.mjtGeom.mjGEOM_ELLIPSOID,
            'cylinder': mj.mjtGeom.mjGEOM_CYLINDER,
        }[shape]
        if shape == 'cylinder':  # MuJoCo wants radius, half length
            half = half[[0, 2, 2]]
        geom = self._scene.geoms[self._scene.ngeom]
        rgba = np.array([*rgb, 1.0], np.float32)
        mj.mjv_initGeom(geom, kind, half, centre, rotation.reshape(-1), rgba)
        geom.segid = -1
        geom.category = mj.mjtCatBit.mjCAT_DYNAMIC
        geom.objtype = mj.mjtObj.mjOBJ_GEOM
        geom.specular, geom.shininess = 0.15, 0.4
        self._scene.ngeom += 1
        return geom

    def _add_object(self, placement: Placement, index: int) -> None:
        paint = np.array(COLOURS[placement.colour])
        for part in placement.build.parts:
            rgb = ROLE_RGB.get(part.role)
            if rgb is None:
                r, g, b = paint if part.role == PAINT else paint * SHADE
                rgb = (float(r), float(g), float(b))
            half = np.array(part.half_size_m) * placement.scale
            offset = placement.rotation @ (np.array(part.centre_m) * placement.scale)
            rotation = placement.rotation @ np.array(part.rotation, float)
            geom = self._add(part.shape, half, np.array(placement.base_m) + offset, rotation, rgb)
            geom.segid = index

    def _add_room(self, world: World) -> None:
        room, half = world.room, FLOOR_HALF_M
        floor = self._add(
            'box', np.array([half, half, 0.05]), np.array([0, 0, -0.05]), np.eye(3), room.floor_rgb
        )
        _cover(floor, room.floor_texture)
        ahead, left, right = room.walls_m
        tall = room.wall_height_m / 2
        for size, centre in (
            ((0.05, half, tall), (ahead, 0.0, tall)),
            ((half, 0.05, tall), (0.0, left, tall)),
            ((half, 0.05, tall), (0.0, -right, tall)),
        ):
            wall = self._add('box', np.array(size), np.array(centre), np.eye(3), room.wall_rgb)
            _cover(wall, room.wall_texture)
        for slab in world.slabs:
            c, s = math.cos(slab.yaw_rad), math.sin(slab.yaw_rad)
            rotation = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
            self._add(
                'box', np.array(slab.size_m) / 2, np.array(slab.centre_m), rotation, slab.rgb
            )

    def _set_light(self, world: World) -> None:
        mj, room = self._mj, world.room
        self._model.light_dir[0] = room.light_direction
        self._model.light_diffuse[0] = room.light_strength
        self._model.light_ambient[0] = room.ambient_strength
        solids = self._scene.ngeom
        mj.mj_forward(self._model, self._data)
        self._scene.ngeom = solids
        mj.mjv_makeLights(self._model, self._data, self._scene)

    def _set_camera(self, world: World) -> None:
        camera = world.camera
        model = camera.model
        _, y, z = camera.world_from_optical.T
        for view in self._scene.camera:
            view.pos = camera.position_m
            view.forward = z
            view.up = -y
            view.frustum_near, view.frustum_far = NEAR_M, FAR_M
            view.frustum_top = NEAR_M * (model.cy_px + 0.5) / model.fy_px
            view.frustum_bottom = NEAR_M * (model.cy_px + 0.5 - model.height_px) / model.fy_px
            view.frustum_width = NEAR_M * model.width_px / 2 / model.fx_px
            offset_px = (model.width_px - 1) / 2 - model.cx_px
            view.frustum_center = NEAR_M * offset_px / model.fx_px


def _cover(geom: mujoco.MjvGeom, texture: int) -> None:
    """Give a solid one of the materials; texture 0 is plain paint."""
    if texture > 0:
        geom.matid = texture - 1
        geom.texcoord = 0


def _frame_model(width_px: int, height_px: int) -> tuple[str, dict[str, bytes]]:
    """Return the MJCF of an empty world with textures and one light, and the texture files."""
    assets, lines = {}, []
    for index, pixels in enumerate(_texture_images(), start=1):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, 'PNG')
        assets[f't{index}.png'] = buffer.getvalue()
        lines.append(f'<texture name="t{index}" type="2d" file="t{index}.png"/>')
        lines.append(
            f'<material name="m{index}" texture="t{index}" texuniform="true" '
            f'texrepeat="0.8 0.8" specular="0.1" shininess="0.1"/>'
        )
    xml = f"""
    <mujoco>
      <statistic extent="1" center="3 0 0.5"/>
      <visual>
        <global offwidth="{width_px}" offheight="{height_px}"/>
        <quality shadowsize="{SHADOW_MAP_PX}" offsamples="0" numslices="16" numstacks="10"/>
        <map shadowclip="10" znear="0.05" zfar="50"/>
        <headlight ambient="0.1 0.1 0.1" diffuse="0.3 0.3 0.3" specular="0 0 0"/>
      </visual>
      <asset>
        <texture type="skybox" builtin="gradient" rgb1="0.75 0.82 0.9" rgb2="0.55 0.6 0.7"
                 width="64" height="64"/>
        {''.join(lines)}
      </asset>
      <worldbody>
        <light type="directional" pos="3 0 5" dir="0 0 -1" castshadow="true"/>
      </worldbody>
    </mujoco>"""
    return xml, assets


def _texture_images() -> list[NDArray[np.uint8]]:
    """Return the pale grey patterns (N, N, 3) of the materials from 1 on."""
    size = 128
    rng = np.random.Generator(np.random.PCG64(7))
    y, x = np.mgrid[0:size, 0:size]
    checker = np.where(((x // 64) + (y // 64)) % 2, 1.0, 0.8)
    tiles = np.where((x % 64 < 2) | (y % 64 < 2), 0.65, 1.0)
    planks = np.where(y % 32 < 1, 0.6, 0.85 + 0.15 * rng.random((size // 32, 1)).repeat(32, 0))
    stripes = np.where((x // 16) % 2, 1.0, 0.86)
    speckle = np.clip(0.9 + 0.07 * rng.standard_normal((size, size)), 0, 1)
    bricks = np.where((y % 32 < 2) | ((x + 32 * ((y // 32) % 2)) % 64 < 2), 0.7, 0.97)
    trained = [checker, tiles, planks * np.ones_like(x), stripes, speckle, bricks]
    diamonds = np.where(((x + y) // 32 + (x - y) // 32) % 2, 1.0, 0.75)
    dots = np.where((x % 32 - 16) ** 2 + (y % 32 - 16) ** 2 < 64, 0.7, 1.0)
    waves = 0.85 + 0.15 * np.sin(2 * np.pi * (x / 32 + np.sin(2 * np.pi * y / 64) / 2))
    unseen = [diamonds, dots, waves]
    patterns = [*trained, *unseen]
    return [np.repeat((255 * p).astype(np.uint8)[..., None], 3, axis=2) for p in patterns]

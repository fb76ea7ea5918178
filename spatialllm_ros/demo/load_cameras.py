"""Several cameras in one process, made cheap for tests of load: images are ready beforehand.

python -m spatialllm_ros.demo.load_cameras --images 900 front left rear

Each camera publishes ``/<name>/image`` and ``/<name>/camera_info`` once all have a subscriber. How
many images it were, and how long that took, is written as JSON; then the cameras are silent.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from spatialllm_ros.demo.camera_node import LOOK_AGAIN_S, QUALITY, raw_message
from spatialllm_ros.demo.recording import TOUR, read_shots
from spatialllm_ros.demo.shots import RATE_HZ, Shot
from spatialllm_ros.runtime.shared_files import shared_file

WORLDS = 6


@dataclass(frozen=True)
class Camera:
    """Where one camera's images and intrinsics go."""

    name: str
    images: Any
    infos: Any


class LoadCameras:
    """Publishes the first image of a few worlds of the tour, round and round."""

    def __init__(self, node: Node, names: Sequence[str]) -> None:
        """Read the images and offer the topics."""
        self._node = node
        shots = first_shots(WORLDS)
        self._messages = [raw_message(Header(), shot.rgb) for shot in shots]
        self._info = CameraInfo(**shots[0].info)
        self._cameras = [
            Camera(
                name,
                node.create_publisher(Image, f'/{name}/image', QUALITY),
                node.create_publisher(CameraInfo, f'/{name}/camera_info', QUALITY),
            )
            for name in names
        ]

    def play(self, images: int) -> float:
        """Publish so many images of each camera, in turn, and return how long that took (s)."""
        while not all(camera.images.get_subscription_count() for camera in self._cameras):
            rclpy.spin_once(self._node, timeout_sec=LOOK_AGAIN_S)
        started_s = due_s = time.monotonic()
        messages = cycle(self._messages)
        for _ in range(images):
            message = next(messages)
            for camera in self._cameras:
                time.sleep(max(0.0, due_s - time.monotonic()))
                # A camera that falls behind does not hurry afterwards.
                due_s = max(time.monotonic(), due_s + 1 / (RATE_HZ * len(self._cameras)))
                self._publish(camera, message)
        return time.monotonic() - started_s

    def _publish(self, camera: Camera, message: Image) -> None:
        stamp = self._node.get_clock().now().to_msg()
        message.header = self._info.header = Header(stamp=stamp, frame_id=f'{camera.name}_optical')
        camera.infos.publish(self._info)
        camera.images.publish(message)


def first_shots(worlds: int) -> list[Shot]:
    """Return the first image of each of the tour's first worlds."""
    shots: dict[str, Shot] = {}
    for shot in read_shots(shared_file(TOUR)):
        assert shot.truth is not None, 'the tour knows what is true'
        shots.setdefault(shot.truth.scene_id, shot)
        if len(shots) == worlds:
            break
    return list(shots.values())


def main() -> int:
    """Publish until SIGINT or SIGTERM, and return the exit status."""
    own = argparse.ArgumentParser(prog='python -m spatialllm_ros.demo.load_cameras')
    own.add_argument('names', nargs='+', help='of the cameras')
    own.add_argument('--images', type=int, required=True, help='of each camera')
    args = own.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        seconds = LoadCameras(rclpy.create_node('load_cameras'), args.names).play(args.images)
        print(json.dumps({'images': args.images, 'seconds': seconds}), flush=True)
        signal.pause()
    except KeyboardInterrupt:
        return 0
    finally:
        rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())

"""Draw ``~/markers`` as RViz shows them, with the image they speak of.

python -m spatialllm_ros.demo.draw_markers --out markers.png
python -m spatialllm_ros.demo.draw_markers --out markers.png --where 'red car' chair

The first waits until somebody's question is answered; the second asks where things are itself.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from spatialllm_ros.demo.ask_client import AskClient, end_by_exception
from spatialllm_ros.demo.marker_drawing import draw_picture
from spatialllm_ros.demo.marker_listener import Listener, Marked
from spatialllm_ros.demo.marker_views import Rgb
from spatialllm_ros.demo.processes import IMAGE_TOPIC
from spatialllm_ros.errors import AnswerTimeoutError, ConfigError, SpatialLLMError
from spatialllm_ros.node.node_names import NODE_NAME
from spatialllm_ros.output_files import output_file
from spatialllm_ros.runtime.camera_info import read_camera
from spatialllm_ros.runtime.image_conversion import (
    MAX_SIDE_PX,
    rgb_from_compressed,
    rgb_from_image,
)

ASK_AGAIN_S = 0.5
GUESSED_FOV_RAD = 1.0


def main() -> int:
    """Parse the command line, wait for markers, write the picture and return the exit status."""
    args = parser().parse_args()
    end_by_exception()
    with AskClient('draw_markers', []) as client:
        try:
            listener = Listener(client.node, args.markers, args.image)
            write(args.out, picture(wait(client, listener, args)))
        except SpatialLLMError as error:
            print(f'draw_markers: {error}', file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    own = argparse.ArgumentParser(
        prog='python -m spatialllm_ros.demo.draw_markers',
        description='Draw ~/markers as RViz shows them, with the image they speak of.',
    )
    own.add_argument('--out', type=output_file, required=True, help='the PNG file')
    own.add_argument('--where', nargs='+', default=[], metavar='PHRASE', help='objects to ask for')
    own.add_argument('--markers', default=f'/{NODE_NAME}/markers', help='topic')
    own.add_argument('--image', default=IMAGE_TOPIC, help='topic, raw or .../compressed')
    own.add_argument('--timeout', type=float, default=60.0, help='seconds to wait at most')
    return own


def wait(client: AskClient, listener: Listener, args: argparse.Namespace) -> Marked:
    """Wait, or ask again and again, until one image has a marker of each object.

    Raises:
        AnswerTimeoutError: none has within the time.
    """
    end_s = time.monotonic() + args.timeout
    objects, pause_s = (len(set(args.where)), ASK_AGAIN_S) if args.where else (1, args.timeout)
    if args.where:
        client.wait_for_node(args.timeout)
    while (left_s := end_s - time.monotonic()) > 0:
        ask_at_once(client, args.where)
        if (marked := listener.marked(objects, min(pause_s, left_s))) is not None:
            return marked
    raise AnswerTimeoutError(
        f'expected markers of {objects} object(s) of one image within {args.timeout:g} s, found '
        f'{listener.heard()}; was the node asked where something is that its camera sees?'
    )


def ask_at_once(client: AskClient, phrases: Sequence[str]) -> None:
    """Ask where objects are, so that the answers are about the same image.

    All are asked twice: while the first question is answered, the others wait together.
    """
    questions = [f'where is the {phrase}?' for phrase in phrases] * 2
    with ThreadPoolExecutor(max(1, len(questions))) as threads:
        list(threads.map(client.ask, questions))


def picture(marked: Marked) -> Rgb:
    """Return the picture of an image with markers.

    Raises:
        InputError: the image cannot be read, or a marker cannot be drawn.
    """
    image = marked.image
    convert = rgb_from_compressed if hasattr(image, 'format') else rgb_from_image
    rgb = convert(image, MAX_SIDE_PX)
    height_px, width_px = rgb.shape[:2]
    reading = read_camera(marked.info, width_px, height_px, GUESSED_FOV_RAD, False)
    if not reading.camera.calibrated:
        raise ConfigError(f'expected the intrinsics of the image, but {reading.remark}')
    return draw_picture(rgb, image.header.frame_id, reading.camera, marked.markers)


def write(path: Path, rgb: Rgb) -> None:
    """Write a picture (H, W, 3).

    Raises:
        ConfigError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        is_written = cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    except cv2.error:  # no picture's suffix
        is_written = False
    if not is_written:
        raise ConfigError(f'expected a PNG file that can be written, found {path}')
    print(f'{path}, {path.stat().st_size / 1e3:.0f} kB')


if __name__ == '__main__':
    sys.exit(main())

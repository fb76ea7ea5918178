"""Draw what ~/annotated/compressed shows: objects of the tour, with answers.

python tools/draw_annotated.py docs/pictures/annotated.png
"""

import argparse
from itertools import islice
from pathlib import Path

import cv2
from sensor_msgs.msg import CameraInfo

from spatialllm_ros.demo.shots import Shot
from spatialllm_ros.demo.sources import open_source
from spatialllm_ros.node.annotation_drawing import draw_answers
from spatialllm_ros.node.annotation_words import Answered
from spatialllm_ros.runtime.camera_info import read_camera
from spatialllm_ros.runtime.session import SpatialSession
from spatialllm_ros.schema import Frame, Query

QUESTION = 'where is the {}?'


def main() -> None:
    """Answer about one image and write the picture."""
    parser = argparse.ArgumentParser(description='Draw an annotated image of the tour.')
    parser.add_argument('picture', type=Path)
    parser.add_argument('--image', type=int, default=90, help='which of the tour, from 0')
    parser.add_argument('--objects', nargs='+', default=['orange person', 'robot'])
    args = parser.parse_args()
    shot = next(islice(open_source('tour'), args.image, None))
    session = SpatialSession.load('nano', 'onnx')
    encoded = session.encode(frame_of(shot))
    queries = [Query(QUESTION.format(name)) for name in args.objects]
    answers = [Answered(query, session.answer(encoded, query)) for query in queries]
    image = draw_answers(encoded.frame, answers)
    args.picture.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(args.picture), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def frame_of(shot: Shot) -> Frame:
    """Return an image of the tour as the node would take it."""
    height_px, width_px = shot.rgb.shape[:2]
    camera = read_camera(CameraInfo(**shot.info), width_px, height_px, 1.0, False).camera
    return Frame(shot.rgb, camera, stamp_ns=0, frame_id='camera_optical_frame', camera_name='')


if __name__ == '__main__':
    main()

"""Start a camera, the node and a program that asks questions; no ros2 launch needed.

python -m spatialllm_ros.demo
python -m spatialllm_ros.demo --camera /dev/video0
python -m spatialllm_ros.demo --dashboard
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from spatialllm_ros.demo.environment import demo_environment
from spatialllm_ros.demo.processes import (
    IMAGE_TOPIC,
    Processes,
    ask_questions,
    start_camera,
    start_dashboard,
    start_node,
)
from spatialllm_ros.errors import SpatialLLMError

ROS_DEFAULT_DOMAIN = 0
EXAMPLE = 'how many cars are in view?'


def main() -> int:
    """Parse the command line, run the demo and return its exit status."""
    args = parser().parse_args()
    if args.topic and is_image_topic(args.camera):
        parser().error(f'expected --topic with a bag, found it beside the topic {args.camera}')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through the with blocks
    try:
        with tempfile.TemporaryDirectory(prefix='spatialllm-demo-') as logs:
            return run(args, Path(logs))
    except SpatialLLMError as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    own = argparse.ArgumentParser(
        prog='python -m spatialllm_ros.demo',
        description='Start a camera, the node and a program that asks questions.',
        allow_abbrev=False,
    )
    own.add_argument(
        '--camera',
        default='tour',
        help='tour (a recording), sim (rendered live), /dev/video0, a bag, or a topic of images',
    )
    own.add_argument('--topic', default='', help='of the images, if a bag has several')
    own.add_argument('--bundle', help='folder of the model, in place of the shipped one')
    own.add_argument('--questions', type=int, default=0, help='how many to ask')
    own.add_argument('--period', type=float, default=1.0, help='seconds between two questions')
    own.add_argument('--dashboard', action='store_true', help='also serve a web page on the node')
    return own


def run(args: argparse.Namespace, logs: Path) -> int:
    """Run the three until the questions end."""
    is_topic = is_image_topic(args.camera)
    environment = demo_environment(os.environ, ROS_DEFAULT_DOMAIN if is_topic else None)
    domain = environment['ROS_DOMAIN_ID']
    image = args.camera if is_topic else IMAGE_TOPIC
    print(f'Camera {args.camera}, node and questions start in ROS domain {domain}.')
    print('Ask from another terminal, in an environment with the same ROS:')
    print(f'  ROS_DOMAIN_ID={domain} python -m spatialllm_ros.demo.ask "{EXAMPLE}"')
    with Processes(environment, logs) as processes:
        if not is_topic:
            start_camera(processes, {'source': args.camera, 'topic': args.topic})
        start_node(processes, image, {'bundle': args.bundle} if args.bundle else {})
        if args.dashboard:
            print(f'Ask and look in a browser: {start_dashboard(processes)}')
        print(flush=True)
        return ask_questions(processes, {'questions': args.questions, 'period_s': args.period})


def is_image_topic(camera: str) -> bool:
    """Tell a topic that somebody else publishes from what the demo's camera can open."""
    return camera.startswith('/') and not camera.startswith('/dev/') and not Path(camera).exists()


if __name__ == '__main__':
    sys.exit(main())

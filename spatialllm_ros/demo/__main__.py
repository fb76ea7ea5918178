"""Start a camera, the node and a program that asks questions; no ros2 launch needed.

python -m spatialllm_ros.demo
python -m spatialllm_ros.demo --camera /dev/video0
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path, PurePosixPath

from spatialllm_ros.demo.environment import demo_environment
from spatialllm_ros.demo.processes import Processes
from spatialllm_ros.errors import SpatialLLMError

ROS_DEFAULT_DOMAIN = 0
EXAMPLE = 'how many cars are in view?'


def main() -> int:
    """Parse the command line, run the demo and return its exit status."""
    args = parser().parse_args()
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
    )
    own.add_argument(
        '--camera',
        default='tour',
        help='tour (a recording), sim (rendered live), /dev/video0, a bag, or a topic of images',
    )
    own.add_argument('--bundle', help='folder of the model, in place of the shipped one')
    own.add_argument('--questions', type=int, default=0, help='how many to ask')
    own.add_argument('--period', type=float, default=1.0, help='seconds between two questions')
    return own


def run(args: argparse.Namespace, logs: Path) -> int:
    """Run the three until the questions end."""
    is_topic = is_image_topic(args.camera)
    environment = demo_environment(ROS_DEFAULT_DOMAIN if is_topic else None)
    domain = environment['ROS_DOMAIN_ID']
    image = args.camera if is_topic else '/camera/image'
    print(f'Camera {args.camera}, node and questions start in ROS domain {domain}.')
    print('Ask from another terminal, in an environment with the same ROS:')
    print(f'  ROS_DOMAIN_ID={domain} python -m spatialllm_ros.demo.ask "{EXAMPLE}"')
    with Processes(environment, logs) as processes:
        if not is_topic:
            processes.start('camera', 'demo.camera_node', *camera_arguments(args.camera))
        processes.start('node', 'node.main', *node_arguments(image, args.bundle))
        print(flush=True)
        return processes.run('demo.questioner', *question_arguments(args))


def is_image_topic(camera: str) -> bool:
    """Tell a topic that somebody else publishes from what the demo's camera can open."""
    return camera.startswith('/') and not camera.startswith('/dev/') and not Path(camera).exists()


def camera_arguments(source: str, images: int = 0) -> list[str]:
    """Return the arguments of a camera node that publishes below ``/camera``."""
    return [
        *('--ros-args', '-r', '__ns:=/camera'),
        *('-p', f'source:={source}', '-p', f'images:={images}'),
    ]


def node_arguments(image: str, bundle: str | None) -> list[str]:
    """Return the arguments of a node that reads an image topic and the intrinsics beside it."""
    info = PurePosixPath(image).with_name('camera_info')
    remapped = ['-r', f'image:={image}', '-r', f'camera_info:={info}']
    return ['--ros-args', *remapped, *(['-p', f'bundle:={bundle}'] if bundle else [])]


def question_arguments(args: argparse.Namespace) -> list[str]:
    """Return the arguments of the questioner."""
    values = {'questions': args.questions, 'period_s': args.period}
    given = [word for name, value in values.items() for word in ('-p', f'{name}:={value}')]
    return ['--ros-args', *given]


if __name__ == '__main__':
    sys.exit(main())

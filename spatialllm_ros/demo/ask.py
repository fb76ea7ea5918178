"""Ask a running node one question from another terminal.

ROS_DOMAIN_ID=17 python -m spatialllm_ros.demo.ask "how far is the red car from the camera?"
python -m spatialllm_ros.demo.ask "is there a chair in view?" --option yes --option no
python -m spatialllm_ros.demo.ask "how many cars are in view?" --node /robot/spatialllm
"""

from __future__ import annotations

import argparse
import sys

from rclpy.utilities import remove_ros_args

from spatialllm_ros.demo.ask_client import AskClient, end_by_exception
from spatialllm_ros.demo.questioner import ask_aloud
from spatialllm_ros.errors import SpatialLLMError
from spatialllm_ros.node.node_names import add_node_option

NODE_TIMEOUT_S = 10.0


def main() -> int:
    """Parse the command line, ask and return the exit status."""
    parser = argparse.ArgumentParser(
        description='Ask a running node one question.',
        prog='python -m spatialllm_ros.demo.ask',
        allow_abbrev=False,
    )
    parser.add_argument('question')
    parser.add_argument(
        '--option', action='append', default=[], help='a closed answer; give two or more'
    )
    add_node_option(parser)
    args = parser.parse_args(remove_ros_args(sys.argv)[1:])
    end_by_exception()
    with AskClient('demo_ask', target=args.node) as client:
        try:
            client.wait_for_node(NODE_TIMEOUT_S)
            return 0 if ask_aloud(client, args.question, args.option) else 1
        except SpatialLLMError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 1


if __name__ == '__main__':
    sys.exit(main())

"""Start a camera, the node on it and a program that asks questions.

ros2 launch spatialllm_ros demo.launch.py
ros2 launch spatialllm_ros demo.launch.py camera:=/dev/video0 questions:=false
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetLaunchConfiguration,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the three."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'camera',
                default_value='tour',
                description='tour (a recording), sim (rendered live), /dev/video0, a bag, a topic',
            ),
            DeclareLaunchArgument(
                'topic', default_value='', description='of the images, if a bag has several'
            ),
            DeclareLaunchArgument(
                'questions', default_value='true', description='also ask questions, on the screen'
            ),
            OpaqueFunction(function=choose_image),
            IncludeLaunchDescription(str(Path(__file__).with_name('spatialllm.launch.py'))),
            OpaqueFunction(function=demo_camera),
            Node(
                package='spatialllm_ros',
                executable='demo_questioner',
                output='screen',
                condition=IfCondition(LaunchConfiguration('questions')),
            ),
        ]
    )


def is_topic(camera: str) -> bool:
    """Tell a topic that somebody else publishes from what demo_camera can open."""
    return camera.startswith('/') and not camera.startswith('/dev/') and not Path(camera).exists()


def choose_image(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Name the image topic that the included launch file connects the node to."""
    camera = LaunchConfiguration('camera').perform(context)
    return [SetLaunchConfiguration('image', camera if is_topic(camera) else 'camera/image')]


def demo_camera(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Start the demo's camera, unless the images come from somebody else's topic."""
    camera = LaunchConfiguration('camera').perform(context)
    if is_topic(camera):
        return []
    given = {'source': camera, 'topic': LaunchConfiguration('topic').perform(context)}
    return [
        Node(
            package='spatialllm_ros',
            executable='demo_camera',
            namespace='camera',
            output='screen',
            parameters=[
                {name: ParameterValue(value, value_type=str) for name, value in given.items()}
            ],
        )
    ]

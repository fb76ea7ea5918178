"""Start the node on a camera, or on several.

ros2 launch spatialllm_ros spatialllm.launch.py image:=/my/camera/image_raw
ros2 launch spatialllm_ros spatialllm.launch.py cameras:=front,rear image:=image_raw
ros2 launch spatialllm_ros spatialllm.launch.py image:=/my/camera/image_raw dashboard:=true

What is not given here or in params_file keeps the node's own value.
"""

from pathlib import PurePosixPath

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, choose the Fast DDS profile and start the node."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras',
                default_value='',
                description='names of several cameras, with commas between them; image, '
                'camera_info and depth are then taken from the namespace of each: front/image',
            ),
            DeclareLaunchArgument(
                'image', default_value='image', description='topic of the camera images'
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='',
                description="topic of the camera's intrinsics; empty: camera_info beside image",
            ),
            DeclareLaunchArgument(
                'depth',
                default_value='',
                description='topic of depth images that are registered to image; empty: none',
            ),
            DeclareLaunchArgument(
                'transport',
                default_value='',
                description="raw or compressed (reads image/compressed); empty: the node's own",
            ),
            DeclareLaunchArgument(
                'bundle',
                default_value='',
                description="folder of the model; empty: the node's own choice",
            ),
            DeclareLaunchArgument(
                'params_file', default_value='', description='YAML file with node parameters'
            ),
            DeclareLaunchArgument(
                'dashboard',
                default_value='false',
                description='also serve a web page on the node, to browsers on this machine',
            ),
            DeclareLaunchArgument(
                'dashboard_arguments',
                default_value='',
                description='words for its command line: --host 0.0.0.0 --port 9000',
            ),
            *fast_dds_profile(),
            OpaqueFunction(function=spatialllm_node),
            OpaqueFunction(function=dashboard),
        ]
    )


def fast_dds_profile() -> list[SetEnvironmentVariable]:
    """Give camera images room in shared memory, unless the user has a profile already."""
    profile = PathJoinSubstitution([FindPackageShare('spatialllm_ros'), 'config/fastdds_shm.xml'])
    # Fast DDS renamed the variable in 3.0.
    names = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
    return [
        SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=profile))
        for name in names
    ]


def spatialllm_node(context: LaunchContext) -> list[LifecycleNode]:
    """Describe the node, with the parameters and topics that were given."""
    arguments = ('cameras', 'image', 'camera_info', 'depth', 'transport', 'bundle', 'params_file')
    given = {name: LaunchConfiguration(name).perform(context) for name in arguments}
    cameras = [name.strip() for name in given['cameras'].split(',') if name.strip()]
    parameters: list[object] = [given['params_file']] if given['params_file'] else []
    if given['bundle']:
        parameters.append({'bundle': text(given['bundle'])})
    parameters += camera_parameters(cameras, given)
    return [
        LifecycleNode(
            package='spatialllm_ros',
            executable='spatialllm_node',
            name='spatialllm',
            namespace='',
            output='screen',
            parameters=parameters,
            remappings=[] if cameras else camera_remappings(given),
        )
    ]


def camera_parameters(cameras: list[str], given: dict[str, str]) -> list[dict[str, object]]:
    """Return the parameters of several cameras by name; of the only one, what was given."""
    if not cameras:
        of_only_one = {'camera.transport': 'transport', 'camera.depth_topic': 'depth'}
        return [{name: text(given[key])} for name, key in of_only_one.items() if given[key]]
    own: dict[str, object] = {'camera_names': cameras}
    for name in cameras:
        own[f'{name}.image_topic'] = topic_of(name, given['image'])
        if given['camera_info']:
            own[f'{name}.info_topic'] = topic_of(name, given['camera_info'])
        if given['depth']:
            own[f'{name}.depth_topic'] = topic_of(name, given['depth'])
        if given['transport']:
            own[f'{name}.transport'] = text(given['transport'])
    return [own]


def topic_of(camera: str, topic: str) -> ParameterValue:
    """Return a topic in the namespace of a camera."""
    return text(f'{camera}/{topic.lstrip("/")}')


def camera_remappings(given: dict[str, str]) -> list[tuple[str, str]]:
    """Connect the only camera's topics."""
    image = given['image']
    beside_image = str(PurePosixPath(image).with_name('camera_info'))
    return [
        ('image', image),
        ('image/compressed', f'{image}/compressed'),
        ('camera_info', given['camera_info'] or beside_image),
    ]


def text(value: str) -> ParameterValue:
    """Keep a parameter from being read as a number or a truth value."""
    return ParameterValue(value, value_type=str)


def dashboard(context: LaunchContext) -> list[Node]:
    """Describe the web page's process, started where it is asked for."""
    return [
        Node(
            package='spatialllm_ros',
            executable='spatialllm_dashboard',
            output='screen',
            arguments=LaunchConfiguration('dashboard_arguments').perform(context).split(),
            condition=IfCondition(LaunchConfiguration('dashboard')),
        )
    ]

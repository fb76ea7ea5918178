"""Start the node on a camera, or on several.

ros2 launch spatialllm_ros spatialllm.launch.py image:=/my/camera/image_raw
ros2 launch spatialllm_ros spatialllm.launch.py cameras:=front,rear image:=image_raw
ros2 launch spatialllm_ros spatialllm.launch.py image:=/my/camera/image_raw dashboard:=true

What is not given here or in params_file keeps the node's own value.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

OF_A_CAMERA = {
    'image': 'image_topic',
    'camera_info': 'info_topic',
    'depth': 'depth_topic',
    'transport': 'transport',
}
"""Arguments and the parameters of a camera that they set, over those of params_file."""
ARGUMENTS = ('cameras', *OF_A_CAMERA, 'bundle', 'params_file', 'use_sim_time')


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
                'image',
                default_value='',
                description="topic of the camera images; empty: the node's own, image",
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
                'use_sim_time',
                default_value='',
                description="true: time comes from a bag or a simulator; empty: the node's own",
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
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    cameras = [name.strip() for name in given['cameras'].split(',') if name.strip()]
    parameters: list[object] = [given['params_file']] if given['params_file'] else []
    if given['bundle']:
        parameters.append({'bundle': text(given['bundle'])})
    if given['use_sim_time']:
        clock = ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)
        parameters.append({'use_sim_time': clock})
    parameters += camera_parameters(cameras, given)
    return [
        LifecycleNode(
            package='spatialllm_ros',
            executable='spatialllm_node',
            name='spatialllm',
            namespace='',
            output='screen',
            parameters=parameters,
        )
    ]


def camera_parameters(cameras: list[str], given: dict[str, str]) -> list[dict[str, object]]:
    """Return what was given of several cameras, or of the only one, as parameters."""
    own: dict[str, object] = {'camera_names': cameras} if cameras else {}
    if cameras and not given['image']:
        given = {**given, 'image': 'image'}
    for name in cameras or ['camera']:
        for key, parameter in OF_A_CAMERA.items():
            if given[key]:
                is_of_namespace = cameras and key != 'transport'
                value = topic_of(name, given[key]) if is_of_namespace else given[key]
                own[f'{name}.{parameter}'] = text(value)
    return [own] if own else []


def topic_of(camera: str, topic: str) -> str:
    """Return a topic in the namespace of a camera."""
    return f'{camera}/{topic.lstrip("/")}'


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

"""The definitions of the recorded messages, for writing them where no ROS is installed.

Source: the .msg files of std_msgs, sensor_msgs and builtin_interfaces, without their comments.
"""

_SEPARATOR = '=' * 80
_HEADER = f"""
{_SEPARATOR}
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
{_SEPARATOR}
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""

STRING = ('std_msgs/msg/String', 'string data\n')

COMPRESSED_IMAGE = (
    'sensor_msgs/msg/CompressedImage',
    'std_msgs/Header header\nstring format\nuint8[] data' + _HEADER,
)

CAMERA_INFO = (
    'sensor_msgs/msg/CameraInfo',
    f"""std_msgs/Header header
uint32 height
uint32 width
string distortion_model
float64[] d
float64[9] k
float64[9] r
float64[12] p
uint32 binning_x
uint32 binning_y
sensor_msgs/RegionOfInterest roi
{_SEPARATOR}
MSG: sensor_msgs/RegionOfInterest
uint32 x_offset
uint32 y_offset
uint32 height
uint32 width
bool do_rectify"""
    + _HEADER,
)

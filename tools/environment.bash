# Source this to use what `make build` built: it is what make, the tests and people share.
#   source tools/environment.bash && spatialllm --help

_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$_root/.venv/bin/activate"

# A ROS 2 installation says itself where its packages are; nothing does so for those from wheels.
if [ -z "${ROS_DISTRO:-}" ]; then
  export AMENT_PREFIX_PATH=$VIRTUAL_ENV
  export CMAKE_PREFIX_PATH=$VIRTUAL_ENV
fi

if [ -f "$_root/install/setup.bash" ]; then
  source "$_root/install/setup.bash"
  export PATH=$_root/install/spatialllm_ros/lib/spatialllm_ros:$PATH
fi

# Fast DDS drops most camera images with its own settings. It renamed the variable in 3.0.
export FASTRTPS_DEFAULT_PROFILES_FILE=${FASTRTPS_DEFAULT_PROFILES_FILE:-$_root/config/fastdds_shm.xml}
export FASTDDS_DEFAULT_PROFILES_FILE=${FASTDDS_DEFAULT_PROFILES_FILE:-$_root/config/fastdds_shm.xml}

unset _root

# The node on a desktop or an x86-64 robot, on the CPU. From the repository's root:
#   docker build -f docker/desktop.Dockerfile -t spatialllm .
#   docker run --rm --net=host --ipc=host spatialllm \
#     ros2 launch spatialllm_ros spatialllm.launch.py image:=/my/camera/image_raw
# host IPC, or --shm-size=512m: Fast DDS keeps images in shared memory.
FROM ros:jazzy-ros-base-noble

SHELL ["/bin/bash", "-c"]
ENV PIP_BREAK_SYSTEM_PACKAGES=1
WORKDIR /ws

RUN apt-get update && apt-get install -y --no-install-recommends python3-pip \
  && rm -rf /var/lib/apt/lists/*

# What changes seldom comes first, so that its layers are kept.
COPY requirements/onboard.txt src/spatialllm_ros/requirements/onboard.txt
RUN pip install --no-cache-dir -r src/spatialllm_ros/requirements/onboard.txt

COPY package.xml src/spatialllm_ros/package.xml
COPY spatialllm_msgs src/spatialllm_msgs
RUN apt-get update && rosdep update --rosdistro jazzy \
  && rosdep install --from-paths src --ignore-src -y --dependency-types=build \
       --dependency-types=buildtool --dependency-types=build_export --dependency-types=exec \
  && rm -rf /var/lib/apt/lists/*

COPY setup.py setup.cfg LICENSE src/spatialllm_ros/
COPY requirements src/spatialllm_ros/requirements
COPY resource src/spatialllm_ros/resource
COPY config src/spatialllm_ros/config
COPY launch src/spatialllm_ros/launch
COPY recordings src/spatialllm_ros/recordings
COPY models src/spatialllm_ros/models
COPY spatialllm_ros src/spatialllm_ros/spatialllm_ros
RUN source /opt/ros/jazzy/setup.bash && colcon build

RUN sed -i '$i source /ws/install/setup.bash' /ros_entrypoint.sh
CMD ["ros2", "launch", "spatialllm_ros", "demo.launch.py"]

# The node on a Jetson with JetPack 7 (Ubuntu 24.04, Python 3.12). From the repository's root, on the Jetson:
#   docker build -f docker/jetson.Dockerfile -t spatialllm .
#   docker run --rm --runtime=nvidia --net=host --ipc=host -v /opt/bundles:/opt/bundles spatialllm
# TensorRT and its Python bindings come from NVIDIA's image, whose tag must fit the JetPack that
# runs: pass another by --build-arg IMAGE=.
ARG IMAGE=nvcr.io/nvidia/tensorrt:25.09-py3
FROM ${IMAGE}

SHELL ["/bin/bash", "-c"]
ENV PIP_BREAK_SYSTEM_PACKAGES=1 DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
WORKDIR /ws

# ROS 2's own key and source, as its documentation installs them.
ARG ROS_APT_SOURCE=1.1.0
RUN apt-get update && apt-get install -y --no-install-recommends curl ca-certificates \
  && curl -fsSL -o /tmp/ros2-apt-source.deb "https://github.com/ros-infrastructure/ros-apt-source\
/releases/download/${ROS_APT_SOURCE}/ros2-apt-source_${ROS_APT_SOURCE}.noble_all.deb" \
  && apt-get install -y /tmp/ros2-apt-source.deb && apt-get update \
  && apt-get install -y --no-install-recommends ros-jazzy-ros-base python3-colcon-common-extensions \
       python3-rosdep python3-pip g++ \
  && rm -rf /var/lib/apt/lists/* /tmp/ros2-apt-source.deb

COPY requirements/onboard.txt src/spatialllm_ros/requirements/onboard.txt
RUN pip install --no-cache-dir -r src/spatialllm_ros/requirements/onboard.txt

COPY package.xml src/spatialllm_ros/package.xml
COPY spatialllm_msgs src/spatialllm_msgs
RUN apt-get update && rosdep init && rosdep update --rosdistro jazzy \
  && rosdep install --rosdistro jazzy --from-paths src --ignore-src -y \
       --dependency-types=build --dependency-types=buildtool --dependency-types=build_export \
       --dependency-types=exec \
  && rm -rf /var/lib/apt/lists/*

COPY setup.py setup.cfg LICENSE src/spatialllm_ros/
COPY requirements src/spatialllm_ros/requirements
COPY resource src/spatialllm_ros/resource
COPY config src/spatialllm_ros/config
COPY launch src/spatialllm_ros/launch
COPY recordings src/spatialllm_ros/recordings
COPY models src/spatialllm_ros/models
COPY spatialllm_ros src/spatialllm_ros/spatialllm_ros
RUN source /opt/ros/jazzy/setup.bash && /usr/bin/python3 "$(command -v colcon)" build

RUN printf '%s\n' '#!/bin/bash' 'set -e' 'source /ws/install/setup.bash' 'exec "$@"' \
  >/entrypoint.sh && chmod +x /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
# Engines belong to this GPU: spatialllm build-engine /opt/bundles/... comes first.
CMD ["ros2", "launch", "spatialllm_ros", "spatialllm.launch.py"]

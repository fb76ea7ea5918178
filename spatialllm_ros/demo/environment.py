"""The environment of the demo: a ROS domain of its own, room for images in shared memory."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping

from spatialllm_ros.errors import ConfigError
from spatialllm_ros.runtime.shared_files import shared_file

DOMAINS = range(1, 102)
"""Beyond them Linux may give a domain's ports to anybody."""
DISCOVERY_PORT, PORTS_PER_DOMAIN = 7400, 250
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Fast DDS renamed it in 3.0."""


def free_domain() -> int:
    """Return a ROS_DOMAIN_ID that nobody on this machine uses.

    Raises:
        ConfigError: all are in use.

    Source: DDSI-RTPS 2.5, 9.6.2.3: participants listen on 7400 + 250 * domain.
    """
    for domain in random.sample(DOMAINS, len(DOMAINS)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('', DISCOVERY_PORT + PORTS_PER_DOMAIN * domain))
            except OSError:
                continue
            return domain
    raise ConfigError(
        f'expected a ROS domain that is free, found {DOMAINS.start} to {DOMAINS.stop - 1} in use; '
        'set ROS_DOMAIN_ID to one that may be shared'
    )


def demo_environment(given: Mapping[str, str], domain: int | None = None) -> dict[str, str]:
    """Return an environment with a domain and room for images in shared memory.

    What is set already stays as it is.

    Args:
        given: the environment so far.
        domain: the ROS_DOMAIN_ID where none is set; by default a free one.

    Raises:
        ConfigError: no domain is free.
    """
    own = dict.fromkeys(PROFILE_VARIABLES, str(shared_file('config/fastdds_shm.xml')))
    if 'ROS_DOMAIN_ID' not in given:
        own['ROS_DOMAIN_ID'] = str(free_domain() if domain is None else domain)
    return own | dict(given)

"""The shipped compose file and the image belong together."""

from __future__ import annotations

import re

from tests.support.python_module import ROOT


def test_every_folder_in_which_redis_users_are_written_is_made_for_them_in_the_image() -> None:
    """A new volume belongs to root unless the image has the folder, and the process that writes there is not root."""
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    service = compose[compose.index("  redis-users:") : compose.index("  redis:\n")]
    mounted = set(re.findall(r":(/run/redis-users/[\w-]+)", service))
    made = set(re.findall(r"/run/redis-users/[\w-]+", (ROOT / "Dockerfile").read_text("utf-8")))
    assert len(mounted) > 5
    assert mounted == made

"""The executor's rig serves here too: what sends and resolves is tried through the callers that use it."""

from tests.integration.executor.conftest import owner, rig

__all__ = ["owner", "rig"]

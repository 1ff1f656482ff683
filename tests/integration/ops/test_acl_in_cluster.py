"""`ops acl --apply` in a cluster: a Redis user has the same rights at every node, or a command would be refused at some."""

from __future__ import annotations

from pathlib import Path

from shared.contracts.access import rights
from tests.integration.ops.command import ops
from tests.support.redis_cluster import RedisCluster


async def test_rights_are_set_at_every_primary(tmp_path: Path) -> None:
    cluster = RedisCluster(tmp_path / "cluster")
    try:
        cluster.start()
        for node in cluster.nodes:
            cluster.ask(node, "ACL", "SETUSER", "executor", "on", ">word", "+ping")
        cluster.ask(cluster.nodes[1], "ACL", "SETUSER", "api", "on", ">word", "+ping")  # missing at the others
        found = (await ops(cluster.url, "acl", "--apply", "--json")).json
        assert found["changed"] == ["executor"]
        assert "api" in found["missing"]
        cluster.ask(cluster.nodes[0], "ACL", "SETUSER", "like", *rights("executor").split())
        wanted = cluster.ask(cluster.nodes[0], "ACL GETUSER", "like")["selectors"]
        assert wanted
        for node in cluster.nodes:
            now = cluster.ask(node, "ACL GETUSER", "executor")
            assert now["selectors"] == wanted
            assert now["passwords"]
    finally:
        cluster.stop()

"""A whole Shoal on a Redis Cluster, each service under its own Redis user: the copy path, and what people see of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.ops.access.redis_users import write_users
from shared.contracts import keys
from shared.contracts.access import ACCESS
from tests.support.ops_command import run_ops
from tests.support.processes import Service
from tests.support.redis_cluster import RedisCluster
from tests.support.stack import Stack

USERS: Final = ["alice", "bob", "carol", "erin"]


class ClusterStack(Stack):
    """A stack on a cluster, whose services have their own users; the test itself may do everything."""

    def __init__(self, folder: Path) -> None:
        self._acl = folder / "users"
        write_users(self._acl, "nodes")
        rules = (self._acl / "acl" / "users.acl").read_text().splitlines()
        mine = [line for line in rules if not line.startswith("user default ")]
        file = self._acl / "acl" / "test.acl"
        file.write_text("\n".join(["user default on nopass ~* &* +@all", *mine]) + "\n")
        self.nodes = RedisCluster(folder / "cluster", options={"aclfile": str(file)})
        super().__init__(folder, USERS, servers=self.nodes)
        self._acting = "api"

    def environment(self) -> dict[str, str]:
        """Return what every service is told; the URL is that of the one that acts."""
        written = (self._acl / self._acting / "url").read_text().strip()
        seeds = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes.nodes)
        url = written.replace("redis://", "redis+cluster://").replace("@nodes", f"@{seeds}")
        return super().environment() | {"REDIS_URL": url}

    def start(self, name: str, module: str, *args: str, **more: str) -> Service:
        """Start a service as its own user."""
        self._acting = name if name in ACCESS else "api"
        try:
            return super().start(name, module, *args, **more)
        finally:
            self._acting = "api"


def test_users_at_all_nodes_copy_and_everything_is_shown(tmp_path: Path) -> None:
    with ClusterStack(tmp_path) as stack:
        for user in USERS:
            stack.open_account(user, USD=5000)
        stack.price("BTC/USD", "60000")
        for _ in range(2):
            stack.executor(capacity=2)
        stack.engine()
        stack.wait_ready(*USERS)
        assert len({stack.nodes.owner_of(keys.orders(user)).port for user in USERS}) == 3

        stack.signal(size="0.01")
        assert {user: stack.wait_reports(user, 1)[0]["filled_size"] for user in USERS} == dict.fromkeys(USERS, "0.005")
        stack.client.hset(keys.CONTROL, mapping={"mode": "pause"})
        stack.signal(size="0.01")
        assert {stack.wait_reports(user, 2)[1]["outcome"] for user in USERS} == {"skipped"}
        stack.client.hset(keys.CONTROL, mapping={"mode": "run"})
        stack.signal(kind="exit", size="0.01", fraction="1")
        assert {user: stack.wait_reports(user, 3)[2]["filled_size"] for user in USERS} == dict.fromkeys(USERS, "0.005")

        assert [len(stack.venue_orders(user)) for user in USERS] == [2] * len(USERS)
        assert stack.invalid_nonces() == []
        status = run_ops(stack, "status")
        assert status.code == 0, status.err
        assert all(user in status.out for user in USERS)
        audit = run_ops(stack, "audit", "--json", "--grace", "0")
        assert audit.json["ok"], audit.json
        assert (audit.json["signals"], audit.json["missing"], audit.json["duplicates"]) == (3, 0, 0)

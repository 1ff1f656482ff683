"""Users' files as Kubernetes mounts them: symbolic links into a folder that is replaced as a whole at any change."""

from __future__ import annotations

from pathlib import Path

from shared.config.users.watch import UsersWatch


def mount(folder: Path, number: int, files: dict[str, str]) -> None:
    """Write files as the kubelet does: into a new folder, to which `..data` then leads in one step."""
    written = folder / f"..{number}"
    for path, text in files.items():
        (written / path).parent.mkdir(parents=True, exist_ok=True)
        (written / path).write_text(text, encoding="utf-8")
    new = folder / "..data_tmp"
    new.symlink_to(written.name)
    new.replace(folder / "..data")
    for name in {path.partition("/")[0] for path in files}:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


def test_a_new_config_map_counts_without_a_restart(tmp_path: Path) -> None:
    alice = {
        "users/alice.toml": 'group = "eu-1"\nvenues = ["kraken"]\n',
        "groups/eu-1.toml": "[sizing]\nmultiplier = 1.0\n",
    }
    mount(tmp_path, 1, alice)
    watch = UsersWatch(tmp_path)
    assert set(watch.users) == {"alice"}
    first = watch.users["alice"]

    changed = alice | {
        "groups/eu-1.toml": "[sizing]\nmultiplier = 0.5\n",
        "users/bob.toml": 'venues = ["kraken"]\n',
    }
    mount(tmp_path, 2, changed)
    looks = [watch.look() for _ in range(2)]

    assert [problems for _, problems in looks] == [[], []]
    assert set(watch.users) == {"alice", "bob"}
    assert watch.users["alice"] != first

    mount(tmp_path, 3, alice)
    for _ in range(2):
        watch.look()
    assert set(watch.users) == {"alice"}
    assert watch.users["alice"] == first

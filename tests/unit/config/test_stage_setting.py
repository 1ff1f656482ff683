"""`[stage]` of a user's file: how far entries go with real money."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from shared.config.users.loader import load_users
from shared.config.users.text import read_settings, write_settings
from shared.domain.limits.policy import UserPolicy
from shared.domain.stages.stage import Stage, StagePolicy

LADDER = 'auto = true\nstart = "shadow"\n'


def load(folder: Path, text: str) -> UserPolicy:
    (folder / "users").mkdir(exist_ok=True)
    (folder / "users" / "alice.toml").write_text(text)
    return load_users(folder)["alice"]


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("", Stage.FULL),
        ('stage = "shadow"', Stage.SHADOW),
        ("stage = 0.05", Stage.CANARY),
        ("stage = 0.25", Stage.QUARTER),
        ("stage = 0.250", Stage.QUARTER),
        ("stage = 1", Stage.FULL),
        ("stage = 1.0", Stage.FULL),
        ('stage = "0.05"', Stage.CANARY),
        ("[stage]\nstart = 0.25", Stage.QUARTER),
    ],
)
def test_a_stage_is_a_word_or_a_share(tmp_path: Path, text: str, stage: Stage) -> None:
    policy = load(tmp_path, text)
    assert (policy.fault, policy.stage, policy.paper) == ("", StagePolicy(start=stage), False)


@pytest.mark.parametrize("text", ['stage = "paper"', "paper = true", 'paper = true\nstage = "paper"'])
def test_the_stage_paper_is_the_setting_paper(tmp_path: Path, text: str) -> None:
    policy = load(tmp_path, text)
    assert (policy.fault, policy.paper, policy.stage.start, policy.stage.restricts) == ("", True, Stage.PAPER, False)


def test_a_whole_section_is_read_exactly(tmp_path: Path) -> None:
    text = f'[stage]\n{LADDER}max = 0.25\ntrades = 5\nmax_tracking_bps = 12.5\nfaults = 2\nfault_window = "10m"\n'
    policy = load(tmp_path, text)
    assert policy.fault == ""
    assert policy.stage == StagePolicy(
        start=Stage.SHADOW,
        max=Stage.QUARTER,
        auto=True,
        trades=5,
        max_tracking_bps=Decimal("12.5"),
        faults=2,
        fault_window_ms=600_000,
    )
    assert policy.stage.ceiling is Stage.QUARTER


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("stage = 0.5", "stage.start: must be"),
        ("stage = true", "stage.start: must be"),
        ("stage = nan", "stage.start: must be"),
        ('stage = "live"', "stage.start: must be"),
        ("[stage]\nmaxx = 1", "stage.maxx is not a known setting"),
        ("[stage]\nstart = 0.05\nmax = 1", "max has no effect without stage.auto = true"),
        ("[stage]\nstart = 0.05\ntrades = 5", "trades has no effect without stage.auto = true"),
        ("[stage]\nauto = true", "auto = true needs stage.start"),
        ('[stage]\nauto = true\nstart = 0.05\nmax = "paper"', 'max "paper" is no step of the ladder'),
        ('[stage]\nauto = true\nstart = 0.25\nmax = "shadow"', "max shadow is below start 0.25"),
        ('paper = true\nstage = "shadow"', 'paper = true is the stage "paper", but stage.start is shadow'),
        (f"paper = true\n[stage]\n{LADDER}", 'paper = true is the stage "paper", but stage.start is shadow'),
        ('orders = "mirror"\nstage = "shadow"', 'orders = "mirror" needs stage.start 1'),
        ('orders = "mirror"\n[stage]\nauto = true\nstart = 1', 'orders = "mirror" needs stage.start 1'),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(tmp_path: Path, text: str, why: str) -> None:
    policy = load(tmp_path, text)
    assert why in policy.fault


@pytest.mark.parametrize("settings", ["", "max = 0.25\n", 'max = "shadow"\n'])
def test_on_paper_the_ladder_counts_and_leaves_paper_never(tmp_path: Path, settings: str) -> None:
    policy = load(tmp_path, f'[stage]\nauto = true\nstart = "paper"\n{settings}')
    assert (policy.fault, policy.paper, policy.stage.auto) == ("", True, True)
    assert (policy.stage.ceiling, policy.stage.smallest, policy.stage.restricts) == (Stage.PAPER, Stage.PAPER, False)
    read = read_settings("alice", write_settings(policy))
    assert read is not None
    assert read.stage == policy.stage


def test_resting_orders_on_paper_may_be_mirrored(tmp_path: Path) -> None:
    assert load(tmp_path, 'orders = "mirror"\npaper = true').fault == ""

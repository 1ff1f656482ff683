"""The executor has no code path to an entry without a decision from its order stream.

Read from its source: it makes no decision, it builds its one kind of order from the decision it was handed, and it imports
nothing that generates, sizes or emits entries. The checks are themselves checked against code that breaks each rule.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grimp
import pytest

from services.executor.protection.own_exits import USER_MODE

ROOT: Final = Path(__file__).resolve().parents[3]
SOURCES: Final = (ROOT / "services" / "executor", ROOT / "shared" / "execution")
_MAKERS: Final = {
    "Decision",
    "Copy",
    "EntryTerms",
    "Signal",
    "SignalMessage",
    "size_entry",
    "order_id",
    "signal_id",
    "decide",
}
"""Names that make a decision or what leads to one; the executor only has the types of the first three, for annotations."""
_ANNOTATIONS: Final = {"Decision", "Copy", "EntryTerms"}
_DYNAMIC: Final = {"import_module", "__import__", "eval", "exec", "compile"}
"""Calls by which code that no import shows could run."""
_DECIDING: Final = ("shared.strategies", "shared.domain.copying", "services.master_strategy", "services.copy_engine")
"""Packages whose code decides what is entered: users' cycles may not even load them."""
_FORBIDDEN_MODULES: Final = (
    "services.master_strategy",
    "services.copy_engine",
    "shared.domain.copying",
    "shared.strategies",
    "shared.domain.signal",
    "shared.bus.flow.signals",
)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def _compared(tree: ast.AST) -> set[int]:
    return {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.Compare) for part in (node.left, *node.comparators)
    }


def _wrong_imports(tree: ast.AST) -> Iterator[str]:
    for module, name in _imports(tree):
        full = f"{module}.{name}"
        if any(full == each or full.startswith(each + ".") for each in _FORBIDDEN_MODULES):
            yield f"imports {full}"
        if name in _MAKERS - _ANNOTATIONS:
            yield f"imports {name}"


def _wrong_calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _name(node.func)
        arguments = {each.arg: ast.unparse(each.value) for each in node.keywords}
        if name in _DYNAMIC:
            yield f"line {node.lineno} can reach any code by {name}"
        if name in _MAKERS or (name in {"OrderMessage", "from_domain"} and "Order" in ast.unparse(node.func)):
            yield f"line {node.lineno} makes a {name}"
        if (
            name in {"replace", "model_copy", "model_construct"}
            and "decision" in ast.unparse(node).lower().split("(", 1)[1][:9]
        ):
            yield f"line {node.lineno} changes a decision"
        if name == "OrderRequest" and (arguments.get("side"), arguments.get("symbol")) != (
            "leg.order.side",
            "leg.order.symbol",
        ):
            yield f"line {node.lineno} builds an order that is not the leg's"
        if name == "TrackedOrder" and [ast.unparse(each) for each in node.args[4:6]] != [
            "decision.side",
            "decision.kind",
        ]:
            yield f"line {node.lineno} makes an order that is not a decision's"


def _wrong_sides(tree: ast.AST) -> Iterator[str]:
    compared = _compared(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "BUY" and id(node) not in compared:
            yield f"line {node.lineno} uses {ast.unparse(node)} for more than a comparison"
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower() == "buy":
            yield f"line {node.lineno} writes {node.value!r}"


def violations(source: str) -> list[str]:
    """List what in a source could lead to an entry without a decision."""
    tree = ast.parse(source)
    return [*_wrong_imports(tree), *_wrong_calls(tree), *_wrong_sides(tree)]


def _sources() -> list[Path]:
    return sorted(path for folder in SOURCES for path in folder.rglob("*.py"))


@pytest.mark.parametrize("path", _sources(), ids=lambda path: path.name)
def test_users_never_enter_on_their_own(path: Path) -> None:
    assert violations(path.read_text(encoding="utf-8")) == []


def _deciding_modules(service: str) -> list[str]:
    """Return what a service loads, directly or through others, of the packages that decide."""
    graph = grimp.build_graph("shared", "services", cache_dir=None)
    loaded = graph.find_upstream_modules(service, as_package=True)
    return sorted(each for each in loaded if each.startswith(_DECIDING))


def test_nothing_that_a_users_process_loads_however_far_away_decides_about_entries() -> None:
    assert _deciding_modules("services.executor") == []
    assert "shared.strategies.registry" in _deciding_modules("services.master_strategy"), (
        "the check finds what is there"
    )
    assert "shared.domain.copying.decision_plan" in _deciding_modules("services.copy_engine")


def test_the_log_names_the_mode_of_each_kind_of_cycle_and_a_users_is_never_the_masters() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in _sources()}
    assert [path.name for path, text in texts.items() if "MASTER (" in text] == []
    naming = [path.name for path, text in texts.items() if f'"{USER_MODE}"' in text]
    assert naming == ["own_exits.py"]


def _calls(name: str) -> list[str]:
    found = []
    for path in _sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [path.name for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) == name]
    return found


def test_there_is_one_place_that_builds_orders_and_one_that_sends_them() -> None:
    assert _calls("OrderRequest") == ["send.py"]
    assert _calls("place") == ["send.py"]


def test_decisions_only_come_out_of_stream_entries() -> None:
    for path in _sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "OrderMessage.parse":
                assert [ast.unparse(argument) for argument in node.args] in (["entry.fields"], ["work.entry.fields"])


@pytest.mark.parametrize(
    "source",
    [
        "from services.master_strategy.trading.trader import Trader",
        "import shared.domain.copying.decision_plan",
        "from shared.bus.flow.signals import SignalLog",
        "from shared.domain.sizing import size_entry",
        "from shared.domain.order import order_id",
        "decision = Decision(id='1')",
        "copy = order.Copy(base_size=one)",
        "terms = EntryTerms(size, price, instant)",
        "other = replace(decision, side=side)",
        "OrderMessage.model_construct(decision='copy')",
        "request = OrderRequest(symbol=leg.order.symbol, side=Side.SELL)",
        "request = OrderRequest(symbol=symbol, side=leg.order.side)",
        "order = TrackedOrder(id, user, venue, symbol, Side.SELL, decision.kind, 0)",
        "side = Side.BUY",
        "importlib.import_module('shared.strategies.registry')",
        "exec(code)",
        "trade(context, side='buy')",
        "client.add_order('BUY')",
    ],
)
def test_the_check_finds_code_that_could_enter(source: str) -> None:
    assert violations(source)


def test_the_check_lets_comparisons_and_the_decisions_own_order_pass() -> None:
    assert not violations("if order.side is Side.BUY and x:\n    pass")
    assert not violations("OrderRequest(symbol=leg.order.symbol, side=leg.order.side)")
    assert not violations("from shared.domain.order import Copy, Decision")

"""Reconciliation while an asset changes its name: nothing that a rename explains is taken off the books."""

from __future__ import annotations

from decimal import Decimal

from shared.domain.fault import FaultKind
from shared.domain.rename import Rename, Renames
from tests.integration.executor.renamed import DOT, TABLE, World
from tests.integration.executor.rig import reconciler


async def test_reconciliation_erases_nothing_that_a_rename_explains(world: World) -> None:
    world.know(TABLE)
    world.list_new()
    del world.rig.account.balances["DOT"]
    reconciling = reconciler(world.context, frozenset)
    found = await reconciling.check()
    assert found.differences == {
        DOT: "100 DOT held from copying, but the account has only 0 DOT; DOT is NDOT now, of which it has 0 NDOT: "
        "the books follow when the coins are there"
    }
    assert not await reconciling.repair(DOT)
    assert await world.held() == {"DOT/USD": Decimal(100)}


async def test_reconciliation_says_what_to_do_where_no_alias_is_known(world: World) -> None:
    world.rename()
    reconciling = reconciler(world.context, frozenset)
    (text,) = (await reconciling.check()).differences.values()
    assert "the venue lists no DOT any more; if it was renamed add it to config/renames.toml" in text
    assert not await reconciling.repair(DOT)
    assert await world.held() == {"DOT/USD": Decimal(100)}
    assert [(each.kind, each.subject) for each in world.rig.faults.standing] == [
        (FaultKind.SYMBOL, "alice (kraken) DOT/USD")
    ]


async def test_what_the_operator_says_is_gone_may_be_taken_off_the_books(world: World) -> None:
    world.know(Renames.of([Rename("DOT", "")]))
    world.rename()
    assert await reconciler(world.context, frozenset).repair(DOT)
    assert await world.held() == {}

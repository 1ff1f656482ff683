"""What a kill switch is said to do is what executors then do by it; a changed consequence is not confirmed."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.control import ControlMode, flattening
from shared.domain.values.symbol import Symbol
from shared.operations.control_log import read_changes
from shared.operations.errors import ActionRefused, BadConfirmation, ConsequenceChanged, UnknownTarget
from shared.operations.request import Action, ActionRequest
from shared.operations.switches import Scope, set_switch
from tests.support.operating import OPERATOR, Clock, desk_of, hold, quote
from tests.support.property_examples import scaled

USERS = ("alice", "bob", "carol")
PRICES = {"BTC/USD": "60000", "ETH/USD": "2500.5", "SOL/USD": "141.37"}


def ask(action: Action, **more: str) -> ActionRequest:
    return ActionRequest(action=action, **more)  # type: ignore[arg-type]


async def sold_by_executors(bus: Bus) -> tuple[int, Decimal]:
    """Return number and value of the positions that the executors' own rule closes by the switches in Redis."""
    number, worth = 0, Decimal(0)
    for user in USERS:
        for symbol, position in (await Records(bus).positions(user, "kraken")).items():
            if flattening(*await Records(bus).switches(user, symbol)) is not None:
                number += 1
                worth += position.size.amount * Decimal(PRICES[str(symbol)])
    return number, worth


async def arrange(bus: Bus, dice: random.Random) -> None:
    """Write random holdings, prices and other people's switches (none of which flattens)."""
    await bus.do_everywhere("FLUSHALL")
    for symbol, price in PRICES.items():
        await quote(bus, symbol, price)
    for user in USERS:
        for symbol in PRICES:
            if dice.random() < 0.6:
                await hold(bus, user, symbol, str(Decimal(dice.randint(1, 10**6)) / 10**6), str(dice.randint(1, 9000)))
    modes = [ControlMode.RUN, ControlMode.RUN, ControlMode.PAUSE, ControlMode.HALT]
    for scope in (Scope(), *map(Scope, USERS), *(Scope(symbol=Symbol.parse(name)) for name in PRICES)):
        await set_switch(bus, scope, dice.choice(modes), "before", "somebody", 1)


@pytest.mark.parametrize("seed", range(scaled(40)))
async def test_flatten_sells_what_its_consequence_says(bus: Bus, config: Path, seed: int) -> None:
    dice = random.Random(seed)
    desk = desk_of(bus, config)
    await arrange(bus, dice)
    where = dice.choice([{}, {"user": dice.choice(USERS)}, {"symbol": dice.choice(list(PRICES))}])
    request = ask(Action.FLATTEN, **where)
    preview = await desk.preview(request, OPERATOR)
    assert await sold_by_executors(bus) == (0, Decimal(0)), "a preview does nothing"
    await desk.confirm(request, preview.token, OPERATOR, "test")
    number, worth = await sold_by_executors(bus)
    figures = preview.consequence.figures
    assert (figures["positions"], figures.get("value USD", Decimal(0))) == (Decimal(number), worth)
    shown = f"sells {number} position{'' if number == 1 else 's'} of " if number else "sells nothing of "
    assert preview.consequence.text.startswith(shown)
    if number:
        assert f"about {worth:,.2f} USD at market" in preview.consequence.text


async def test_a_halt_of_another_scope_keeps_positions_and_is_named(bus: Bus, config: Path) -> None:
    await hold(bus, "alice", "BTC/USD", "0.02", "1200")
    await set_switch(bus, Scope(), ControlMode.HALT, "outage", "bo", 1)
    preview = await desk_of(bus, config).preview(ask(Action.FLATTEN, user="alice"), OPERATOR)
    assert preview.consequence.text.startswith("sells nothing of alice")
    assert "1 position not sold while everybody is halted" in preview.consequence.notes


async def test_pause_and_resume_and_halt_in_words(bus: Bus, config: Path) -> None:
    desk = desk_of(bus, config)
    await hold(bus, "bob", "BTC/USD", "0.01", "500")
    await quote(bus, "BTC/USD", "60000")
    texts = {}
    for action in (Action.PAUSE, Action.HALT, Action.RESUME):
        texts[action] = (await desk.preview(ask(action), OPERATOR)).consequence.text
    assert texts == {
        Action.PAUSE: "pauses 3 users: no entries; exits go on",
        Action.HALT: (
            "halts 3 users: nothing is sent, exits included; 1 position, about 600.00 USD, held without a stop loss until resume"
        ),
        Action.RESUME: "lets 3 users trade again: entries and exits go on",
    }


async def test_a_confirmation_holds_only_for_what_was_shown(bus: Bus, config: Path) -> None:
    desk, request = desk_of(bus, config), ask(Action.FLATTEN, user="alice")
    await quote(bus, "BTC/USD", "60000")
    await hold(bus, "alice", "BTC/USD", "0.02", "1200")
    shown = await desk.preview(request, OPERATOR)
    await quote(bus, "ETH/USD", "2500")
    await hold(bus, "alice", "ETH/USD", "1", "2500")
    with pytest.raises(ConsequenceChanged) as refused:
        await desk.confirm(request, shown.token, OPERATOR, "test")
    assert refused.value.consequence.text.startswith("sells 2 positions of alice, about 3,700.00 USD")
    assert await bus.do("HGET", keys.control("alice"), "mode") is None
    assert not await read_changes(bus, 10)
    done = await desk.confirm(request, refused.value.token, OPERATOR, "test")  # what is shown now may be confirmed
    assert (done.repeated, await bus.do("HGET", keys.control("alice"), "mode")) == (False, "flatten")


@pytest.mark.parametrize(("price", "holds"), [("61000", True), ("57500", True), ("66000", False), ("54000", False)])
async def test_a_small_move_of_the_price_changes_nothing_material(
    bus: Bus, config: Path, price: str, holds: bool
) -> None:
    desk, request = desk_of(bus, config), ask(Action.FLATTEN, user="alice")
    await quote(bus, "BTC/USD", "60000")
    await hold(bus, "alice", "BTC/USD", "0.02", "1200")
    shown = await desk.preview(request, OPERATOR)
    await quote(bus, "BTC/USD", price)
    if holds:
        assert not (await desk.confirm(request, shown.token, OPERATOR, "test")).repeated
    else:
        with pytest.raises(ConsequenceChanged):
            await desk.confirm(request, shown.token, OPERATOR, "test")


async def test_a_confirmation_is_refused_once_somebody_else_has_set_the_switch(bus: Bus, config: Path) -> None:
    desk, request = desk_of(bus, config), ask(Action.RESUME, user="alice")
    await set_switch(bus, Scope("alice"), ControlMode.PAUSE, "holiday", "alice", 1)
    shown = await desk.preview(request, OPERATOR)
    await set_switch(bus, Scope("alice"), ControlMode.HALT, "her key leaked", "bo", 2)
    with pytest.raises(ConsequenceChanged) as refused:
        await desk.confirm(request, shown.token, OPERATOR, "")
    assert "alice is halted now by bo: her key leaked" in refused.value.consequence.notes
    assert await bus.do("HGET", keys.control("alice"), "mode") == "halt"


async def test_of_many_submits_of_one_confirmation_one_does_it(bus: Bus, config: Path) -> None:
    desks = [desk_of(bus, config) for _ in range(4)]  # several processes of the api
    request = ask(Action.PAUSE, user="alice")
    shown = await desks[0].preview(request, OPERATOR)
    done = await asyncio.gather(
        *(desks[at % 4].confirm(request, shown.token, OPERATOR, "double click") for at in range(20))
    )
    assert sorted(each.repeated for each in done) == [False] + [True] * 19
    assert len({(each.text, each.at, each.by) for each in done}) == 1
    assert len(await read_changes(bus, 10)) == 1
    await set_switch(bus, Scope("alice"), ControlMode.RUN, "", "bo", 3)
    again = await desks[1].confirm(request, shown.token, OPERATOR, "the back button, later")
    assert (again.repeated, await bus.do("HGET", keys.control("alice"), "mode")) == (True, "run")


async def test_a_confirmation_ends_after_ten_minutes(bus: Bus, config: Path) -> None:
    clock = Clock()
    desk, request = desk_of(bus, config, clock), ask(Action.PAUSE)
    shown = await desk.preview(request, OPERATOR)
    clock.ahead = 10 * 60_000 + 1_000
    with pytest.raises(ConsequenceChanged, match="too much time"):
        await desk.confirm(request, shown.token, OPERATOR, "test")
    assert await bus.do("EXISTS", keys.CONTROL) == 0


async def test_a_confirmation_belongs_to_its_action_its_values_and_its_person(bus: Bus, config: Path) -> None:
    desk = desk_of(bus, config)
    token = (await desk.preview(ask(Action.PAUSE, user="alice"), OPERATOR)).token
    for request, by in (
        (ask(Action.FLATTEN, user="alice"), OPERATOR),
        (ask(Action.PAUSE), OPERATOR),
        (ask(Action.PAUSE, user="bob"), OPERATOR),
        (ask(Action.PAUSE, user="alice"), "somebody"),
    ):
        with pytest.raises(BadConfirmation):
            await desk.confirm(request, token, by, "test")
    for made_up in ("", "x", token[:-4], token + "!", "é", "W10", "bnVsbA", "A" * 5000):
        with pytest.raises(BadConfirmation):
            await desk.confirm(ask(Action.PAUSE, user="alice"), made_up, OPERATOR, "test")
    assert not await read_changes(bus, 10)


async def test_what_makes_no_sense_is_refused(bus: Bus, config: Path) -> None:
    desk = desk_of(bus, config)
    for request, error in (
        (ask(Action.PAUSE, user="zed"), UnknownTarget),
        (ask(Action.PAUSE, symbol="BTX/USD"), UnknownTarget),
        (ask(Action.PAUSE, symbol="btc"), ActionRefused),
        (ask(Action.PAUSE, user="alice", symbol="BTC/USD"), ActionRefused),
    ):
        with pytest.raises(error):
            await desk.preview(request, OPERATOR)
    shown = await desk.preview(ask(Action.PAUSE), OPERATOR)
    for reason in ("", "  ", "x" * 301, "a\x00b"):
        with pytest.raises(ActionRefused):
            await desk.confirm(ask(Action.PAUSE), shown.token, OPERATOR, reason)
    assert not await read_changes(bus, 10)


async def test_the_control_log_says_who_what_when_and_why(bus: Bus, config: Path) -> None:
    desk = desk_of(bus, config)
    for action in (Action.PAUSE, Action.CLOSE_ONLY, Action.HALT, Action.FLATTEN, Action.RESUME, Action.RELOAD):
        request = ask(action) if action is Action.RELOAD else ask(action, user="carol")
        shown = await desk.preview(request, OPERATOR)
        await desk.confirm(request, shown.token, OPERATOR, f"why {action}")
    changes = list(reversed(await read_changes(bus, 50)))
    assert [(each.action, each.mode, each.before, each.of, each.reason) for each in changes] == [
        ("pause", "pause", "run", "carol", "why pause"),
        ("close-only", "pause", "pause", "carol", "why close-only"),
        ("halt", "halt", "pause", "carol", "why halt"),
        ("flatten", "flatten", "halt", "carol", "why flatten"),
        ("resume", "run", "flatten", "carol", "why resume"),
        ("reload", "reload", "", "everybody", "why reload"),
    ]
    assert all(each.by == OPERATOR and each.at > 0 and each.effect and each.confirmation for each in changes)


async def test_a_stop_needs_no_readable_price_nor_position(bus: Bus, config: Path) -> None:
    await hold(bus, "alice", "BTC/USD", "0.02", "1200")
    await bus.do("HSET", keys.positions("alice", "kraken"), "ETH/USD", "{broken")
    await bus.do("SET", keys.prices("kraken"), "not a hash")
    await bus.do("SET", keys.control("alice"), "not a hash either")
    desk, request = desk_of(bus, config), ask(Action.FLATTEN, user="alice")
    shown = await desk.preview(request, OPERATOR)
    assert shown.consequence.text.startswith("sells 1 position of alice, about 1,200.00 USD")
    assert "1 position without a market price: counted at cost" in shown.consequence.notes
    assert "1 record cannot be read, and nothing of it is sold" in shown.consequence.notes
    await desk.confirm(request, shown.token, OPERATOR, "now")
    assert await bus.do("HGET", keys.control("alice"), "mode") == "flatten"

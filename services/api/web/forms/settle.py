"""The form on which an operator says what the venue shows of an unresolved order.

It changes nothing: it leads to the confirmation.
"""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from services.api.access.identity import Role, at_least
from services.api.web.rendering import Pages
from services.api.web.tape.rows import split_symbol
from shared.bus.connection import Bus
from shared.domain.account import is_master
from shared.domain.order import Side
from shared.domain.values.numerals import whole
from shared.ledger.open_issues import UNRESOLVED_STATES
from shared.operations.actions.order_verdicts import find_order

Typed = Annotated[str, Query(max_length=200)]


def build_settle_routes(bus: Bus, pages: Pages) -> APIRouter:
    """Build the route."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(at_least(Role.OPERATOR))])

    @router.get("/operations/orders/{user}/{order}")
    async def settle(
        request: Request,
        user: str,
        order: str,
        outcome: Typed = "",
        size: Typed = "",
        price: Typed = "",
        fee: Typed = "",
    ) -> Response:
        found = await find_order(bus, order, user)
        if found is None:
            return await pages.problem(request, 404, "No such order", f"{user} has no order {order}.")
        state = found.fields.get("state", "")
        if state not in UNRESOLVED_STATES:
            text = f"The order is {state or 'not begun'}: there is nothing to settle by hand."
            return await pages.problem(request, 409, "The order has ended", text)
        base, quote = split_symbol(found.fields.get("symbol", ""))
        return await pages.page(
            request,
            "settle.html",
            user=user,
            order=found.order_id,
            fields=found.fields,
            buys=found.fields.get("side") == Side.BUY,
            masters=is_master(user),
            base=base,
            quote=quote,
            sent_at=whole(found.fields.get("sent_at")),
            now=time.time_ns() // 1_000_000,
            typed={"outcome": outcome, "size": size, "price": price, "fee": fee},
        )

    return router

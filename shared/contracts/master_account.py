"""The fields of `shoal:uncopied:{master}:<venue>` and `shoal:holdings:{master}:<venue>`: JSON texts by id and by coin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from shared.contracts.fields import MalformedMessageError, read_json_object
from shared.domain.master_account import Baseline, MasterHolding, UncopiedOrder
from shared.domain.order import Side
from shared.domain.values.money import Quantity, plain


def write_uncopied(row: UncopiedOrder) -> str:
    """Return an uncopied order as the text of its field."""
    fields = {"reason": row.reason, "why": row.why, "at": str(row.at), "symbol": row.symbol}
    if row.side is not None:
        fields["side"] = row.side
    if row.size is not None:
        fields |= {"size": plain(row.size.amount), "coin": row.size.asset}
    return json.dumps(fields, ensure_ascii=False)


def read_uncopied(row_id: str, written: str) -> UncopiedOrder:
    """Parse an uncopied order. Raises MalformedMessageError."""
    fields = _object(written)
    try:
        return UncopiedOrder(
            id=row_id,
            reason=fields["reason"],
            why=fields["why"],
            at=int(fields["at"]),
            symbol=fields.get("symbol", ""),
            side=Side(fields["side"]) if "side" in fields else None,
            size=_quantity(fields["size"], fields["coin"]) if "size" in fields else None,
        )
    except (KeyError, ValueError, ArithmeticError) as error:
        raise MalformedMessageError(f"order {row_id} that was not copied: {error!r}") from None


def write_holding(holding: MasterHolding) -> str:
    """Return what the account holds of a coin as the text of its field."""
    return json.dumps(
        {
            "total": plain(holding.total.amount),
            "apart": plain(holding.apart.amount),
            "baseline": holding.baseline,
            "as_of": str(holding.as_of),
        }
    )


def read_holding(coin: str, written: str) -> MasterHolding:
    """Parse what the account holds of a coin. Raises MalformedMessageError."""
    fields = _object(written)
    try:
        return MasterHolding(
            total=_quantity(fields["total"], coin),
            apart=_quantity(fields["apart"], coin),
            baseline=Baseline(fields["baseline"]),
            as_of=int(fields["as_of"]),
        )
    except (KeyError, ValueError, ArithmeticError) as error:
        raise MalformedMessageError(f"holding of {coin}: {error!r}") from None


def _quantity(text: str, coin: str) -> Quantity:
    amount = Decimal(text)
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"not an amount: {text!r}")
    return Quantity(amount, coin)


def _object(written: str) -> Mapping[str, str]:
    found = read_json_object(written)
    if not all(isinstance(value, str) for value in found.values()):
        raise MalformedMessageError(f"not an object of texts: {written[:40]!r}")
    return found

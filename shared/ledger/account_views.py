"""Accounts and users as JSON, as part of the status. Amounts are texts, never floats."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from shared.domain.account import Account, further_name
from shared.domain.control import Control
from shared.domain.routes import MASTERS
from shared.domain.values.money import Money, plain
from shared.ledger.user_states.user_status import UserStatus


class View(BaseModel):
    """Base of all views."""

    model_config = ConfigDict(frozen=True)


class ControlView(View):
    """A kill switch; `at` in epoch ms, null if it is not known."""

    mode: str
    reason: str
    by: str = ""
    at: int | None = None

    @staticmethod
    def of(control: Control) -> ControlView:
        """Build the view of a kill switch."""
        return ControlView(mode=control.mode, reason=control.reason, by=control.by, at=control.at or None)


class AccountView(View):
    """An account as last read, at `as_of` (epoch ms); an unknown amount is null.

    `funds` is the money of its books, `paper` or `live`; empty if it is not recorded (yet). `copies` is the master whose copies a
    user's account holds. `served` is how the ends of its orders are learned: `stream` or `polled: ` and why; empty if that is not
    recorded.
    """

    venue: str
    funds: str
    state: str
    reason: str
    currency: str
    equity: str | None
    cash: str | None
    as_of: int | None
    copies: str = ""
    served: str = ""
    master: str = ""
    """The name of the master whose further account at the venue this is; empty for every other account."""

    @staticmethod
    def of(venue: str, account: Account | None, funds: str = "", copies: str = "") -> AccountView:
        """Build the view of an account; None becomes `unknown`."""
        if account is None:
            return AccountView(
                venue=venue,
                funds=funds,
                state="unknown",
                reason="",
                currency="",
                equity=None,
                cash=None,
                as_of=None,
                copies=copies,
            )
        known = account.equity or account.cash
        return AccountView(
            venue=venue,
            funds=funds,
            state=account.state,
            reason=account.reason,
            currency=known.currency if known else "",
            equity=_amount(account.equity),
            cash=_amount(account.cash),
            as_of=account.as_of or None,
            copies=copies,
            served=account.served,
            master=further_name(account.user),
        )


class UserView(View):
    """A configured user."""

    user: str
    state: str
    reason: str
    enabled: bool
    paper: bool
    group: str = ""
    """The group whose executors serve the user; empty for a user in no group."""
    venues: tuple[str, ...]
    follow: dict[str, str] = {}
    """The venue to which the entries of each master go; empty for a master that is not followed."""
    waiting: dict[str, str] = {}
    """Masters whose entries wait for a change of `follow` to take effect, and for what."""
    multiplier: str
    stage: str = "1"
    """How far the user's entries go with real money: `paper`, `shadow`, or the share of the size."""
    stage_words: str = ""
    """What was counted at that stage, for people; empty for a user who trades the whole size for good."""
    owner: str
    control: ControlView
    accounts: tuple[AccountView, ...]

    @staticmethod
    def of(user: UserStatus) -> UserView:
        """Build the view of a user."""
        policy = user.policy
        return UserView(
            user=policy.user,
            state=user.state,
            reason=user.reason,
            enabled=policy.enabled,
            paper=policy.paper,
            group=policy.group,
            venues=policy.venues,
            follow={master: "" if policy.waits(master) else policy.venue_for(master) or "" for master in MASTERS},
            waiting=dict(policy.waiting),
            multiplier=plain(policy.sizing.multiplier),
            stage=user.stage.stage if user.stage else policy.stage.start,
            stage_words=user.stage.words if user.stage else "",
            owner=user.owner,
            control=ControlView.of(user.control),
            accounts=tuple(
                AccountView.of(venue, account, user.funds.get(venue, ""), policy.master_at(venue))
                for venue, account in user.accounts
            ),
        )


def _amount(money: Money | None) -> str | None:
    return None if money is None else plain(money.amount)

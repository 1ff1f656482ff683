"""Which master each account of a user copies, and where a master's entries go: from `[follow]`, and safely through its changes.

Of the masters that are named after a venue an account copies one at a time. After a change of `[follow]` it goes over to another
one once nothing that it copied from the former one is held; until then the exits of the former one reach it, and the entries of
the other one wait.

A named master shares an account with others, since it has a book of its own. Only its venue is recorded: another one takes effect
once every decision of the user has ended, and exits go to the account whose book holds the coin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from shared.domain.limits.policy import UserPolicy
from shared.domain.values.master_name import is_master_name
from shared.domain.values.venue import VENUES

MASTERS: Final = VENUES
"""The names of the masters: each is named after its venue."""


@dataclass(frozen=True, slots=True)
class Routes:
    """What is in effect for one user, as the engine recorded it. Who has no record is copied as if without `[follow]`."""

    copied: Mapping[str, str] = field(default_factory=dict)
    """The master that each account copies, by venue."""
    entries: Mapping[str, str] = field(default_factory=dict)
    """The venue to which the entries of each master go; empty for none. A named one is here if it was ever followed."""

    def master_at(self, venue: str) -> str:
        """Return the master whose copies the account at a venue holds, if it holds any."""
        return self.copied.get(venue, venue)

    def venue_of(self, master: str) -> str:
        """Return the venue to which the entries of a master have gone so far; empty for none."""
        return self.entries.get(master, master)


def initial(policy: UserPolicy) -> Routes:
    """Return the routes of a user of whom nothing is recorded: those of the file."""
    return advance(Routes(), policy, lambda _: True)


def due(now: Routes, policy: UserPolicy) -> tuple[str, ...]:
    """Return the masters whose entries go, by the file, to another account than they have gone so far."""
    moved = [each.name for each in policy.masters if now.venue_of(each.name) != each.venue]
    return tuple(
        str(master)
        for master in MASTERS
        if (venue := policy.venue_for(master)) is not None
        and (now.venue_of(master) != venue or now.master_at(venue) != master)
    ) + tuple(moved)


def advance(now: Routes, policy: UserPolicy, flat: Callable[[str], bool]) -> Routes:
    """Return the routes after every change that is possible. Call it only when no decision of the user is unfinished.

    `flat` returns whether nothing that was copied is held in the main book at a venue.
    """
    copied, entries = dict(now.copied), dict(now.entries)
    for master in due(now, policy):
        venue = policy.venue_for(master) or ""
        if policy.followed_master(master) is not None:
            entries[master] = venue
            continue
        if now.master_at(venue) != master and not flat(venue):
            continue
        for other in MASTERS:
            if other != master and entries.get(other, other) == venue:
                entries[str(other)] = ""
        copied[venue], entries[master] = str(master), venue
    return _without_defaults(Routes(copied, entries))


def routed(policy: UserPolicy, now: Routes) -> UserPolicy:
    """Return the settings with what is in effect: the former master of an account, and the masters whose entries wait."""
    known = tuple(sorted((name, venue) for name, venue in now.entries.items() if is_master_name(name)))
    if not (due(now, policy) or now.copied or known or policy.former_masters or policy.waiting or policy.known_masters):
        return policy
    former = ((venue, now.master_at(venue)) for venue in policy.venues)
    plain = replace(policy, former_masters=(), waiting=(), known_masters=known)
    return replace(
        plain,
        former_masters=tuple((venue, master) for venue, master in former if plain.master_at(venue) != master),
        waiting=tuple((master, _why(now, policy, master)) for master in due(now, policy)),
    )


def _why(now: Routes, policy: UserPolicy, master: str) -> str:
    venue = policy.venue_for(master) or ""
    before = now.master_at(venue)
    if before != master and policy.followed_master(master) is None:
        return f"{venue} goes over to the {master} master once nothing copied from the {before} master is held there"
    return f"the {master} master is copied on {venue} once the decisions from before that change have ended"


def _without_defaults(routes: Routes) -> Routes:
    """Leave out what a user without a record has as well."""
    return Routes(
        {venue: master for venue, master in routes.copied.items() if venue != master},
        {master: venue for master, venue in routes.entries.items() if venue != master},
    )

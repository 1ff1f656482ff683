"""The index page: whether Shoal is running, and the outcomes of the last signals. Plain HTML without external resources.

Everything from Redis is escaped. The page refreshes itself.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from services.api.read_models import ReadModels
from shared.bus.errors import BusError
from shared.ledger.signal_views import instant
from shared.ledger.status import SystemReadiness, SystemStatus
from shared.ledger.user_state import UserState
from shared.ledger.why import SignalTrace, UserCopy

_COLUMNS: Final = 12
"""Users with a column of their own; of the others only the number is shown."""
_FAULTS: Final = 10
"""Faults that are listed."""
_HEAD: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width"><title>Shoal</title><style>
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1c2733}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;margin:.5rem 0 1.5rem}
th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid #dde3e8;vertical-align:top}
th{font-weight:600;color:#566}small{color:#566}.good{color:#0a7a3b}.bad{color:#b3261e}.mild{color:#8a6d00}
.live{background:#b3261e;color:#fff;padding:.1rem .6rem;border-radius:.3rem}.paper{background:#e3e8ec;padding:.1rem .6rem;
border-radius:.3rem}</style></head><body>"""
_STYLE: Final = b64encode(sha256(_HEAD.partition("<style>")[2].partition("</style>")[0].encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_FOOT: Final = """<p><small>Also here: <a href="/status">/status</a>, <a href="/readyz">/readyz</a>,
<a href="/signals">/signals</a>, /signals/&lt;id&gt; (each user's outcome, and why), <a href="/metrics">/metrics</a>,
<a href="/openapi.json">/openapi.json</a>. In a terminal: <code>redis-cli XRANGE shoal:signals - +</code>.</small></p>
</body></html>"""
_TITLES: Final = {
    "live": '<h1>Shoal <span class="live">LIVE: real money</span></h1>',
    "paper": '<h1>Shoal <span class="paper">PAPER: no real money</span></h1>',
}
_STATES: Final[Mapping[str, str]] = {
    UserState.READY: "good",
    UserState.PARKED: "bad",
    UserState.UNCHECKED: "bad",
    UserState.UNKNOWN: "bad",
    UserState.HALTED: "bad",
    UserState.GONE: "bad",
}
_CLASSES: Final = {
    "filled": "good",
    "partial": "mild",
    "skipped": "mild",
    "rejected": "bad",
    "failed": "bad",
    "expired": "bad",
}


def build_page_routes(models: ReadModels) -> APIRouter:
    """Build the page's route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def index() -> HTMLResponse:
        try:
            status = await models.status()
            body = _title(status) + _state(status) + _signals(await models.traces())
            code = 200
        except BusError as error:
            body, code = f'<h1>Shoal</h1><p class="bad">{escape(str(error))}. Waiting for it.</p>', 503
        return HTMLResponse(_HEAD + body + _FOOT, code, headers={"Content-Security-Policy": _POLICY})

    return router


def _title(status: SystemStatus) -> str:
    """Return the title, with the mode."""
    mirror = "<p>The master's account is only mirrored: no strategy trades it.</p>" if status.mirror_only else ""
    return _TITLES.get(status.mode, "<h1>Shoal</h1>") + mirror


def _state(status: SystemStatus) -> str:
    ready = status.readiness
    lines = [_headline(ready)]
    lines += [f'<p class="mild">{escape(note)}</p>' for note in ready.notes[:_FAULTS]]
    if (hidden := len(ready.notes) - _FAULTS) > 0:
        lines.append(f'<p class="mild">and {hidden} more switches: see /status</p>')
    lines += [
        f'<p class="{"bad" if each.fault.blocks else "mild"}">{escape(each.text)}</p>'
        for each in status.faults[:_FAULTS]
    ]
    if (hidden := len(status.faults) - _FAULTS) > 0:
        lines.append(f'<p class="mild">and {hidden} more faults: see /status</p>')
    rows = []
    masters = [("master", "", venue, account, "", account.reason) for venue, account in status.master]
    users = [
        (u.policy.user, u.state, venue, account, u.funds.get(venue, ""), u.reason)
        for u in status.users
        for venue, account in u.accounts
    ]
    for name, state, venue, account, funds, why in (*masters, *users):
        equity = str(account.equity) if account and account.equity else "unknown"
        shown = state or (account.state.value if account else "unknown")
        mark = _STATES.get(shown, "mild")
        rows.append(
            f'<tr><td>{escape(name)}<td>{escape(venue)}<td>{escape(funds)}<td class="{mark}">{escape(shown)}<td>{escape(equity)}'
            f"<td><small>{escape(why)}</small>"
        )
    table = "<table><tr><th>account<th>venue<th>money<th>state<th>equity<th>" + "".join(rows) + "</table>"
    return "".join(lines) + table


def _headline(ready: SystemReadiness) -> str:
    """Return the readiness line; green only if every user trades."""
    if not ready.ready:
        return f'<p class="bad">Not ready ({escape(ready.users)}): {escape("; ".join(ready.reasons))}.</p>'
    whole = not (ready.users_held or ready.users_parked or ready.users_unknown or ready.notes)
    return f'<p class="{"good" if whole else "mild"}">Ready: signals are being copied. {escape(ready.users)}.</p>'


def _signals(traces: Sequence[SignalTrace]) -> str:
    if not traces:
        return "<p>There are no signals yet.</p>"
    users = [part.user for part in traces[0].users][:_COLUMNS]
    hidden = len(traces[0].users) - len(users)
    head = "".join(f"<th>{escape(user)}" for user in users) + (f"<th>and {hidden} more" if hidden else "")
    return "<table><tr><th>signal (UTC)<th>what" + head + "".join(_row(each, hidden) for each in traces) + "</table>"


def _row(trace: SignalTrace, hidden: int) -> str:
    fields = trace.entry.fields
    at = instant(fields, "filled_at")
    clock = datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S") if at else "?"
    what = f"{fields.get('side', '?')} {fields.get('symbol', '?')}"
    size = f"{fields.get('base_size', '?')} at {fields.get('price', '?')}"
    cells = "".join(_cell(part) for part in trace.users[:_COLUMNS]) + ("<td>" if hidden else "")
    link = escape(trace.entry.id, quote=True)
    return f'<tr><td><a href="/signals/{link}">{clock}</a><td>{escape(what)}<br><small>{escape(size)}</small>{cells}'


def _cell(part: UserCopy) -> str:
    outcome = part.outcome or part.decision
    size, price = part.report.get("filled_size", ""), part.report.get("average_price", "")
    detail = f"{size} at {price}" if part.report.get("outcome") in {"filled", "partial"} else ""
    shown = f"<br><small>{escape(detail)}</small>" if detail else ""
    mark = _CLASSES.get(outcome, "")
    return f'<td class="{mark}" title="{escape(part.reason, quote=True)}">{escape(outcome)}{shown}'

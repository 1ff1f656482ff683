"""A statement as one HTML file that needs nothing else: no script, no font, no request; light, dark and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import Final

from shared.domain.values.money import ZERO, plain
from shared.ledger.statement.statement import AccountStatement, Line, Part, Statement

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #5a6470; --rule: #d5dae0; --page: #ffffff; }
:root { --gain: #12713a; --loss: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --dim: #a3adb8; --rule: #39414a; --page: #14181d; --gain: #5fcf8f; --loss: #ff8f86; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .5rem; border-bottom: 1px solid var(--rule); vertical-align: top; font-weight: normal; }
th[scope=row] { font-weight: 600; } thead th { color: var(--dim); font-size: .85rem; }
td.amount, th.amount { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.line th { padding-left: 1.5rem; font-weight: normal; color: var(--dim); } tr.line td { color: var(--dim); }
tr.total th, tr.total td { font-weight: 700; border-bottom-width: 2px; }
.gain { color: var(--gain); } .loss { color: var(--loss); }
p.meaning, p.facts, ul { color: var(--dim); margin: .15rem 0 0; font-size: .9rem; font-weight: normal; }
@media print { body { margin: 0; max-width: none; } }
"""
_ABOUT: Final = (
    "Why the result of copying differs from the master's: the master's result at the user's scale, plus every part, is the "
    "user's result."
)


def statement_html(statement: Statement, made_at: int) -> str:
    """Return the file; `made_at` is the instant (epoch ms) that it states."""
    title = f"{statement.user}: {statement.month}"
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head>",
            "<body><main>",
            f"<h1>Statement of {escape(statement.user)}, {statement.month}</h1>",
            f"<p>{_ABOUT}</p>",
            *_notes(statement.notes),
            *([] if statement.accounts else ["<p>Nothing was decided or held in this month.</p>"]),
            *(part for account in statement.accounts for part in _account(account)),
            f'<p class="facts">Made {_utc(made_at)} UTC{"; the month has not ended" if statement.running else ""}.</p>',
            "</main></body></html>",
            "",
        )
    )


def _account(account: AccountStatement) -> Iterator[str]:
    currency = escape(account.currency)
    yield f"<h2>{escape(account.title)}</h2>"
    yield f'<p class="facts">{escape(facts(account))}</p>'
    yield f'<table><thead><tr><th scope="col">Part</th><th scope="col" class="amount">{currency}</th></tr></thead><tbody>'
    yield _total("The master's result at scale", account.at_scale_shown)
    for part in account.parts:
        yield _part(part)
        yield from (_line(line) for line in part.lines)
    yield _total("The difference", account.gap_shown)
    yield _total("The user's result", account.result_shown)
    yield "</tbody></table>"
    yield from _notes(account.notes)


def facts(account: AccountStatement) -> str:
    """Describe an account's copies in a sentence or two."""
    copying = account.copying
    words = (
        f"{_utc(account.since)} to {_utc(account.until)} UTC. Scale: {ratio(account.ratio)} of the master's sizes. "
        f"{copying.copied} of {copying.fills} fills of the master were copied"
    )
    if copying.median_delay_ms is not None:
        words += f", half of them within {copying.median_delay_ms:,} ms"
    return f"{words}."


def ratio(amount: Decimal) -> str:
    """Format a ratio with four significant digits."""
    return plain(Decimal(f"{amount:.4g}")) if amount else "0"


def _part(part: Part) -> str:
    many = f" ({part.count})" if part.count else ""
    return (
        f'<tr><th scope="row">{escape(part.title)}{many}<p class="meaning">{escape(part.meaning)}</p></th>'
        f"{_amount(part.shown)}</tr>"
    )


def _line(line: Line) -> str:
    many = f" ({line.count})" if line.count else ""
    return f'<tr class="line"><th scope="row">{escape(line.words)}{many}</th>{_amount(line.shown)}</tr>'


def _total(words: str, amount: Decimal) -> str:
    return f'<tr class="total"><th scope="row">{escape(words)}</th>{_amount(amount)}</tr>'


def _amount(amount: Decimal) -> str:
    kind = " gain" if amount > 0 else " loss" if amount < 0 else ""
    return f'<td class="amount{kind}">{amount:+,.2f}</td>' if amount != ZERO else '<td class="amount">0.00</td>'


def _notes(notes: tuple[str, ...]) -> Iterator[str]:
    if notes:
        yield f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>"


def _utc(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%d %H:%M")

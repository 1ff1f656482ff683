"""The style sheet of the report, inline in its file."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #5a6470; --rule: #d5dae0; --page: #ffffff; }
:root { --c0: #1f5fbf; --c1: #b3541e; --c2: #12713a; --c3: #7a3fb0; --c4: #96690a; --c5: #b3261e; --c6: #0f7480; --c7: #6a6a6a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --dim: #a3adb8; --rule: #39414a; --page: #14181d; --c7: #b5b5b5; }
  :root { --c0: #7fb2ff; --c1: #ffab7a; --c2: #5fcf8f; --c3: #cf9dff; --c4: #e6c15c; --c5: #ff8f86; --c6: #6fd6e2; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.25rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { color: var(--dim); font-weight: 600; font-size: .8rem; }
td.amount, th.amount { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
p.note { border-left: 3px solid var(--c1); padding-left: .6rem; }
div.wide + div.wide { margin-top: 1rem; }
p.facts, li { color: var(--dim); font-size: .9rem; }
td:last-child:not(.amount) { min-width: 14rem; }
svg { width: 100%; min-width: 36rem; height: auto; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .tick { fill: var(--dim); font-size: 11px; }
svg .line { fill: none; stroke: currentColor; stroke-width: 1.6; }
.key { margin-right: 1rem; font-weight: 600; } .key::before { content: "\\2014\\00a0"; }
.line-0 { color: var(--c0); } .line-1 { color: var(--c1); } .line-2 { color: var(--c2); } .line-3 { color: var(--c3); }
.line-4 { color: var(--c4); } .line-5 { color: var(--c5); } .line-6 { color: var(--c6); } .line-7 { color: var(--c7); }
@media print { body { margin: 0; max-width: none; } }
"""

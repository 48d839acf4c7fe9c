"""The style sheet of the HTML report: one screen and print design, light and dark."""

from __future__ import annotations

#: Nothing is fetched: the fonts are the reader's own.
STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f8; --card: #ffffff; --ink: #17202a; --muted: #5a6572; --rule: #e1e5e9;
  --accent: #0a6b5f; --accent-soft: #e3f1ee;
  --good: #0b6b43; --good-soft: #e2f2ea; --bad: #a8261b; --bad-soft: #fbe9e7;
  --open: #7a5200; --open-soft: #faf0d9; --plain-soft: #eceff2;
  --c1: #0f766e; --c2: #c2570c; --c3: #2f5fb3; --c4: #8a3ea8; --c5: #927200; --c6: #64707d;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #0f1419; --card: #171e26; --ink: #e4e9ee; --muted: #9aa7b4; --rule: #2a343f;
    --accent: #5cc8b8; --accent-soft: #12322f;
    --good: #6fd3a0; --good-soft: #12301f; --bad: #ff9a8d; --bad-soft: #3a1a17;
    --open: #e9c46a; --open-soft: #352a10; --plain-soft: #222b35;
    --c1: #4fc3b1; --c2: #f0955a; --c3: #82aaf0; --c4: #cf95e6; --c5: #d6b64a; --c6: #98a4b0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 var(--sans); -webkit-text-size-adjust: 100%;
}
main, header.top, footer { max-width: 70rem; margin: 0 auto; padding: 0 1.5rem; }
h1, h2, h3, h4 { line-height: 1.25; margin: 0; text-wrap: balance; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 1rem; }
h3 { font-size: 1.06rem; }
p { margin: 0.4rem 0; max-width: 46rem; }
.muted, .note { color: var(--muted); }
.note { font-size: 0.9rem; }
bdi, td, dd, code { overflow-wrap: anywhere; }

header.top { padding-top: 2.25rem; }
.brand { display: flex; gap: 0.6rem; align-items: baseline; color: var(--muted);
  font-size: 0.85rem; letter-spacing: 0.02em; }
.brand b { color: var(--accent); font-size: 1.05rem; letter-spacing: 0.01em; }
header.top h1 { font-size: clamp(1.5rem, 1.1rem + 1.7vw, 2.15rem); letter-spacing: -0.015em;
  margin: 0.9rem 0 0.5rem; max-width: 52rem; }
.meta { display: flex; flex-wrap: wrap; gap: 0.15rem 1.4rem; color: var(--muted);
  font-size: 0.9rem; padding: 0; margin: 0; list-style: none; }
.answer { background: var(--card); border: 1px solid var(--rule);
  border-left: 5px solid var(--accent); border-radius: 8px; padding: 1.15rem 1.4rem;
  margin: 1.6rem 0 1.2rem; font-size: 1.17rem; line-height: 1.55; }
.answer p { max-width: 56rem; margin: 0; }

.cards { display: grid; gap: 0.9rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 14.5rem), 1fr)); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: 1rem 1.2rem; min-width: 0; }
.card .label { color: var(--muted); font-size: 0.88rem; line-height: 1.35; }
.card .number { font-size: 1.75rem; font-weight: 650; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums; line-height: 1.25; margin-top: 0.2rem; }
.card .number.none { font-size: 1.1rem; color: var(--open); letter-spacing: 0; }
.spread { font-size: 0.84rem; color: var(--muted); font-variant-numeric: tabular-nums; }
.unit { font-size: 0.62em; font-weight: 500; color: var(--muted); letter-spacing: 0; }
.n { white-space: nowrap; }
.needs { font-size: 0.86rem; color: var(--open); }

details.how { font-size: 0.84rem; margin-top: 0.35rem; color: var(--muted); }
details.how > summary { cursor: pointer; width: fit-content; }
details.how > summary:hover { color: var(--accent); }
details.how dl { margin: 0.4rem 0 0; padding: 0.5rem 0 0; border-top: 1px solid var(--rule); }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.2rem 1rem;
  margin: 0; }
dt { color: var(--muted); } dd { margin: 0; }
details.how dl { gap: 0.1rem 0.7rem; }
summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }

.badge { display: inline-block; border-radius: 99px; padding: 0.08rem 0.65rem;
  font-size: 0.82rem; font-weight: 600; white-space: nowrap; background: var(--plain-soft); }
.badge.good { color: var(--good); background: var(--good-soft); }
.badge.bad { color: var(--bad); background: var(--bad-soft); }
.badge.open { color: var(--open); background: var(--open-soft); }

.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
caption { text-align: left; font-weight: 600; padding-bottom: 0.4rem; font-size: 1rem; }
th { text-align: left; color: var(--muted); font-weight: 500; font-size: 0.84rem;
  vertical-align: bottom; }
th::first-letter { text-transform: uppercase; }
th, td { padding: 0.42rem 0.9rem 0.42rem 0; border-bottom: 1px solid var(--rule); }
td { vertical-align: top; }
tbody tr:last-child td { border-bottom: 0; }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.value { font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.value .unit { font-size: 0.86em; font-weight: 400; }
table.figures td:nth-child(3), table.figures td:nth-child(4) { width: 32%; }
table.figures details.how { margin-top: 0; }
td:first-child { min-width: 9.5rem; }
td.none { color: var(--muted); }
.block { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: 1rem 1.2rem; margin: 0; }
section > .block + .block, section > .cards + .block { margin-top: 0.9rem; }

.rec { padding: 1.2rem 1.4rem; }
.rec > header { display: flex; flex-wrap: wrap; gap: 0.4rem 1.5rem; align-items: baseline;
  justify-content: space-between; }
.rec h3 { font-size: 1.16rem; flex: 1 1 22rem; }
.rec > header > div { max-width: 24rem; text-align: right; }
.rec .gain { font-size: 1.3rem; font-weight: 650; color: var(--good);
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.rec .gain.bad { color: var(--bad); }
.rec .gain.none { color: var(--open); font-size: 1rem; }
.rec h4, .nested h4 { font-size: 0.86rem; color: var(--muted); font-weight: 600;
  margin: 1.1rem 0 0.35rem; }
.before-after { max-width: 42rem; margin: 0.9rem 0 0.3rem; }
.four { display: grid; gap: 0.9rem 1.6rem; margin-top: 0.6rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 12.5rem), 1fr)); }
.four .label { color: var(--muted); font-size: 0.86rem; }
.four .number { font-size: 1.15rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.four .number.none { color: var(--open); font-size: 1rem; }
pre { background: var(--paper); border: 1px solid var(--rule); border-radius: 6px;
  padding: 0.75rem 0.9rem; overflow-x: auto; font: 0.84rem/1.5 var(--mono); margin: 0; }
code { font-family: var(--mono); font-size: 0.9em; }

.finding { max-width: 46rem; margin: 0.2rem 0 0.9rem; }
.lacking { margin: 0.3rem 0 0.6rem; } .lacking ul { margin: 0.2rem 0; padding-left: 1.2rem; }
.chapter > .charts + .block, .chapter > .block + .block { margin-top: 0.9rem; }
.charts { display: grid; gap: 0.9rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figure h3 { font-size: 1rem; margin-bottom: 0.35rem; }
figcaption { color: var(--muted); font-size: 0.88rem; margin-top: 0.5rem; }
.plot { overflow-x: auto; }
svg.chart { display: block; width: 100%; min-width: 26rem; height: auto; font-family: var(--sans); }
.legend { display: flex; flex-wrap: wrap; gap: 0.1rem 1.1rem; list-style: none; padding: 0;
  margin: 0 0 0.4rem; font-size: 0.85rem; color: var(--muted); }
.legend i { display: inline-block; width: 0.75rem; height: 0.75rem; border-radius: 2px;
  margin-right: 0.4rem; background: var(--c); vertical-align: -0.06rem; }
.s1 { --c: var(--c1); } .s2 { --c: var(--c2); } .s3 { --c: var(--c3); }
.s4 { --c: var(--c4); } .s5 { --c: var(--c5); } .s6 { --c: var(--c6); }
svg .axis { stroke: var(--muted); stroke-width: 1; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .tick, svg .axis-title, svg .name { font-size: 11.5px; fill: var(--muted); }
svg .name, svg .value, svg .mark-label { fill: var(--ink); }
svg .value, svg .mark-label { font-size: 11.5px; font-variant-numeric: tabular-nums; }
svg .mark-label { font-weight: 600; }
svg .line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
svg .dashed { stroke-dasharray: 5 4; }
svg .reference { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 2 3; }
svg .reference-label { font-size: 11px; fill: var(--ink); paint-order: stroke;
  stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; }
svg .band { fill: var(--c); fill-opacity: 0.16; }
svg .fill { fill: var(--c); }
svg .mark { fill: var(--card); stroke: var(--c); stroke-width: 2.5; }
svg .hit { fill: transparent; }
svg .whisker { fill: none; stroke: var(--ink); stroke-width: 1.3; }
svg .cell { fill: var(--c1); }
svg .cell.unknown { fill: var(--rule); fill-opacity: 0.5; }

details.more > summary { cursor: pointer; font-weight: 600; padding: 0.2rem 0; }
details.numbers { font-size: 0.84rem; color: var(--muted); margin-top: 0.4rem; }
details.numbers > summary { cursor: pointer; width: fit-content; }
details.numbers table { font-size: 0.84rem; }
.nested { margin: 0.3rem 0 0.8rem; }
.nested ul { margin: 0.2rem 0; padding-left: 1.2rem; }
footer { color: var(--muted); font-size: 0.85rem; padding-top: 2rem; padding-bottom: 3rem; }

@media (max-width: 46rem) {
  main, header.top, footer { padding-left: 1rem; padding-right: 1rem; }
  td:first-child { min-width: 6rem; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: 0.4rem; }
}
@media print {
  :root { --paper: #fff; --card: #fff; --ink: #000; --muted: #444; --rule: #ccc;
    --accent: #0a6b5f; color-scheme: light; }
  body { font-size: 10.5pt; }
  main, header.top, footer { max-width: none; padding: 0; }
  .card, .block, figure, tr { break-inside: avoid; }
  h2, h3, h4 { break-after: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
  details.numbers, .hit { display: none; }
  .plot, .scroll, pre { overflow: visible; } pre { white-space: pre-wrap; }
  svg.chart { min-width: 0; }
}
"""

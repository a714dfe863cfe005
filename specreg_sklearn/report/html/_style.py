"""How the page looks: one column, one accent colour, light and dark, on screen and on paper."""

STYLE = """
.specreg {
  --ink: #1b1f24; --soft: #59636e; --line: #d9dee3; --faint: #eef1f4; --paper: #fff;
  --accent: #0b6bcb; --band: #0b6bcb33; --best: #063f7a;
  --good: #0b6bcb; --open: #9cc3ea; --bad: #c9d1d9;
  color: var(--ink); background: var(--paper); color-scheme: light dark;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
@media screen and (prefers-color-scheme: dark) {
  .specreg {
    --ink: #e6e9ed; --soft: #9aa4af; --line: #353c45; --faint: #20262d; --paper: #14181d;
    --accent: #6cb2ff; --band: #6cb2ff38; --best: #c3e0ff;
    --good: #6cb2ff; --open: #35628f; --bad: #454d57;
  }
}
.specreg * { box-sizing: border-box; }
.specreg main { max-width: 68rem; margin: 0 auto; padding: clamp(1rem, 4vw, 3rem); }
.specreg header { border-bottom: 1px solid var(--line); padding-bottom: 1.5rem; }
.specreg .over { color: var(--accent); font-weight: 600; margin: 0 0 .5rem; }
.specreg h1 {
  font-size: clamp(1.5rem, 1.1rem + 2vw, 2.3rem); line-height: 1.2; letter-spacing: -.015em;
  font-weight: 650; margin: 0 0 1rem; max-width: 32em; text-wrap: balance;
}
.specreg h2 { font-size: 1.25rem; line-height: 1.3; margin: 0 0 .4rem; letter-spacing: -.01em; }
.specreg h3 { font-size: 1rem; margin: 0 0 .4rem; }
.specreg section { margin-top: 2.75rem; }
.specreg p { margin: .4rem 0; max-width: 44rem; }
.specreg .note, .specreg .meta, .specreg figcaption, .specreg small { color: var(--soft); }
.specreg .meta { font-size: .9rem; }
.specreg small { font-size: .85em; white-space: nowrap; }
.specreg ul { padding-left: 1.2rem; margin: .5rem 0; max-width: 44rem; }
.specreg li { margin: .25rem 0; }
.specreg .grid {
  display: grid; gap: 2rem 2.25rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 17.5rem), 1fr));
}
.specreg .grid > * { min-width: 0; max-width: 27rem; }
.specreg .group { margin-top: 1.5rem; }
.specreg .group .grid { margin-top: 0; gap: 1rem 2.25rem; }
.specreg .group .note { font-size: .9rem; margin: 0; }
.specreg figure { margin: 0; break-inside: avoid; }
/* Names of one line and of two begin and end together. */
.specreg .grid > :is(figure, div) { display: grid; grid-row: span 2; gap: 0; }
.specreg .grid > :is(figure, div) { grid-template-rows: subgrid; }
.specreg .grid > figure > h3 { align-self: end; }
.specreg figure svg { display: block; width: 100%; height: auto; }
.specreg figcaption { font-size: .9rem; margin-top: .35rem; }
.specreg svg text { fill: var(--ink); font-family: inherit; font-size: 13px; }
.specreg svg .soft { fill: var(--soft); }
.specreg .wide { overflow-x: auto; margin: .75rem 0; }
.specreg .wide:focus-visible, .specreg summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px;
}
.specreg table { border-collapse: collapse; width: 100%; font-size: .93rem; background: none; }
.specreg caption { text-align: left; color: var(--soft); font-size: .9rem; padding-bottom: .35rem; }
.specreg .hear {
  position: absolute; width: 1px; height: 1px; padding: 0; overflow: hidden; clip-path: inset(50%);
}
.specreg th, .specreg td {
  padding: .45rem .9rem .45rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  font-weight: 400; text-align: left; background: none; max-width: 22rem;
}
.specreg thead th { color: var(--soft); font-size: .85rem; vertical-align: bottom; }
.specreg tbody tr:last-child > * { border-bottom: 0; }
.specreg th.n, .specreg td.n { text-align: right; white-space: nowrap; }
.specreg thead th.n { white-space: normal; overflow-wrap: normal; }
.specreg td.n:last-child, .specreg th.n:last-child { padding-right: 0; }
.specreg .w { min-width: 6.5rem; }
.specreg details { margin-top: .5rem; font-size: .95rem; }
.specreg summary { cursor: pointer; color: var(--accent); font-size: .9rem; width: fit-content; }
.specreg code, .specreg pre {
  font: .88em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere;
}
.specreg pre {
  background: var(--faint); padding: .8rem 1rem; border-radius: 6px; white-space: pre-wrap;
}
.specreg .to { color: var(--accent); font-weight: 600; }
@media (max-width: 30rem) {
  .specreg th, .specreg td { padding-right: .6rem; }
  .specreg section { margin-top: 2.2rem; }
  .specreg .stack, .specreg .stack tbody, .specreg .stack tr { display: block; }
  .specreg .stack thead { display: none; }
  .specreg .stack tr { padding: .6rem 0; border-bottom: 1px solid var(--line); }
  .specreg .stack th { display: block; border: 0; padding: 0 0 .2rem; font-weight: 600; }
  .specreg .stack td {
    display: flex; justify-content: flex-end; gap: .5rem; border: 0; padding: .15rem 0;
    max-width: none;
  }
  .specreg .stack td::before {
    content: attr(data-name); color: var(--soft); white-space: normal; margin-right: auto;
  }
}
@media print {
  .specreg {
    --ink: #000; --soft: #444; --line: #bbb;
    color-scheme: light; font-size: 10pt;
  }
  .specreg h1 { font-size: 18pt; }
  .specreg h3 { font-size: 10pt; }
  .specreg figcaption, .specreg .group caption, .specreg .group .note { font-size: 8pt; }
  .specreg main { max-width: none; padding: 0; }
  .specreg .wide { overflow: visible; }
  .specreg section { margin-top: 1.6rem; }
  .specreg h2, .specreg h3, .specreg .note, .specreg caption { break-after: avoid; }
  .specreg details::details-content { content-visibility: visible; display: block; height: auto; }
  .specreg .screen { display: none; }
  .specreg .group .w { min-width: 0; }
  .specreg .group table { font-size: 7.5pt; }
  .specreg .group th.n, .specreg .group td.n { padding-right: .5rem; }
  .specreg summary { color: var(--ink); font-weight: 600; list-style: none; }
  .specreg .grid { grid-template-columns: repeat(3, 1fr); gap: 1rem 1.5rem; }
  .specreg figure, .specreg tr, .specreg p, .specreg li, .specreg .stack, .specreg .group {
    break-inside: avoid;
  }
  /* Parts of a grid break all the same. */
  .specreg .group .grid { display: block; }
  .specreg .group .grid > * {
    display: inline-block; width: 31%; margin-right: 2%; vertical-align: top;
  }
  .specreg th, .specreg td { padding-top: .25rem; padding-bottom: .25rem; }
}
"""

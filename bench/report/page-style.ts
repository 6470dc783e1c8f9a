import { paletteCss } from '../figures/palette.js';

/** One column of text; figures as wide as it; tables scroll within themselves. */
export const PAGE_STYLE = `${paletteCss(':root')}
:root{--dim:#5a626b;--line:#d9dde2;--panel:#f5f7f9;--good:#00694e;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--dim:#a3abb5;--line:#30363d;--panel:#1c2127;--good:#4fd1a5;--bad:#ff8a80}}
*{box-sizing:border-box}
html{color:var(--ink);background:var(--paper);font:16px/1.55 system-ui,sans-serif;-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:49rem;padding:1.5rem 1.1rem 4rem;overflow-wrap:break-word}
h1{font-size:clamp(1.6rem,5vw,2.3rem);line-height:1.15;margin:.2rem 0 .8rem;letter-spacing:-.02em;text-wrap:balance}
h2{font-size:1.45rem;line-height:1.25;margin:0 0 .3rem;letter-spacing:-.01em;text-wrap:balance}
h3{font-size:.8rem;margin:0 0 .15rem;text-transform:uppercase;letter-spacing:.06em;color:var(--dim)}
p{margin:.4rem 0}
a{color:inherit;text-underline-offset:.2em}
.kicker{color:var(--dim);font-size:.9rem;letter-spacing:.04em}
.lede{max-width:44rem}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:.1rem 1.5rem;margin:1rem 0;font-size:.88rem}
.facts div{display:flex;gap:.6rem;border-top:1px solid var(--line);padding:.25rem 0}
.facts dt{flex:0 0 6rem;color:var(--dim)}.facts dd{margin:0;min-width:0;overflow-wrap:anywhere}
.warning{border-left:3px solid var(--series-1);padding-left:.7rem}
.contents{list-style:none;padding:0;margin:1rem 0 0;columns:2 18rem;column-gap:1.5rem}
.contents li{break-inside:avoid;padding:.25rem 0;line-height:1.35}
.contents span{display:block;color:var(--dim);font-size:.85rem}
section{margin-top:3rem;border-top:2px solid var(--ink);padding-top:1rem}
.question{color:var(--dim);font-size:1.05rem;margin-top:0}
.findings{padding-left:1.1rem;margin:.8rem 0}.findings li{margin:.25rem 0;font-weight:500}
.chart{margin:1.4rem 0}
figcaption{font-weight:650;margin-bottom:.4rem;line-height:1.35}
.chart svg{display:block;width:100%;height:auto;overflow:visible}
.narrow{display:none}
@media (max-width:640px){.wide{display:none}.narrow{display:block}}
details{margin:.5rem 0;font-size:.88rem}
summary{cursor:pointer;color:var(--dim)}
.again code{display:block;padding:.5rem .6rem;background:var(--panel);border-radius:4px;overflow-wrap:anywhere}
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.82rem;font-variant-numeric:tabular-nums;margin:.4rem 0;min-width:100%}
th{text-align:left;font-weight:600;color:var(--dim);vertical-align:bottom}
th,td{padding:.22rem .6rem .22rem 0;border-bottom:1px solid var(--line)}
.n{text-align:right;white-space:nowrap}
.dim{color:var(--dim)}
.met td:nth-child(2),.missed td:nth-child(2){white-space:nowrap}.met td:nth-child(2){color:var(--good)}.missed td:nth-child(2){color:var(--bad);font-weight:650}
.explanation{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr));gap:.9rem 1.8rem;font-size:.94rem;margin:1.2rem 0 .6rem}
.explanation p{margin:0}
.notes{font-size:.85rem;color:var(--dim);padding-left:1.1rem}
@media print{:root{color-scheme:light}body{max-width:none;font-size:10.5pt}section{break-before:auto}.chart,.explanation div{break-inside:avoid}nav{display:none}.scroll{overflow:visible}.narrow{display:none}.wide{display:block}details.rows{display:none}}`;

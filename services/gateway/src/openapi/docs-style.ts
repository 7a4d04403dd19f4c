/** The look of `/docs`: one column on a phone, contents beside it on a wide screen, light or dark as the reader's system is. */
export const docsStyle = `
:root { color-scheme: light dark; --text: #1c2430; --dim: #5b6675; --line: #dde2e9; --paper: #fff; --soft: #f5f7fa;
  --link: #0b5cad; --get: #0a6b4f; --post: #0b5cad; --hook: #7a3fa0; --good: #0a6b4f; --bad: #a4361f; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ee; --dim: #9aa5b4; --line: #323a46; --paper: #14181e;
  --soft: #1c222a; --link: #7db8f5; --get: #5fcfa7; --post: #7db8f5; --hook: #cfa0ee; --good: #5fcfa7; --bad: #f0937d; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--text); background: var(--paper); }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .85em; }
code { overflow-wrap: anywhere; }
pre { margin: .4rem 0 1rem; padding: .8rem 1rem; overflow-x: auto; background: var(--soft); border: 1px solid var(--line);
  border-radius: 6px; line-height: 1.45; }
pre code { overflow-wrap: normal; font-size: 1em; }
h1 { font-size: 1.9rem; margin: 0 0 .5rem; line-height: 1.2; }
h2 { font-size: 1.35rem; margin: 3rem 0 .3rem; }
h3 { font-size: 1.08rem; margin: 0; }
h4 { font-size: .8rem; margin: 1.2rem 0 .3rem; color: var(--dim); text-transform: uppercase; letter-spacing: .05em; }
p { margin: .4rem 0; }
.dim { color: var(--dim); }
.page { display: grid; grid-template-columns: 17rem minmax(0, 1fr); max-width: 76rem; margin: 0 auto; }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.6rem 1rem 2rem 1.4rem; border-right: 1px solid var(--line);
  font-size: .88rem; }
nav h2 { font-size: .75rem; margin: 1.3rem 0 .2rem; color: var(--dim); text-transform: uppercase; letter-spacing: .05em; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: block; padding: .18rem 0; color: var(--text); }
main { padding: 1.8rem 2.4rem 5rem; min-width: 0; }
section { border: 1px solid var(--line); border-radius: 8px; padding: 1.1rem 1.3rem; margin: 1.1rem 0; }
.route { display: flex; flex-wrap: wrap; gap: .3rem .6rem; align-items: baseline; margin: .25rem 0 .5rem; }
.method { font-weight: 700; font-size: .82rem; letter-spacing: .03em; }
.get { color: var(--get); } .post { color: var(--post); } .hook { color: var(--hook); }
.lock { font-size: .8rem; color: var(--dim); border: 1px solid var(--line); border-radius: 4px; padding: 0 .4rem; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: .8rem; }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:first-child { width: 34%; }
.must { color: var(--bad); font-size: .78rem; white-space: nowrap; }
details { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; padding: .45rem 0; }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.status { font-weight: 700; margin-right: .5rem; }
.ok { color: var(--good); } .no { color: var(--bad); }
.name { font-size: .85rem; color: var(--dim); margin: .4rem 0 0; }
details details:last-child { border-bottom: 0; }
@media (max-width: 800px) {
  .page { display: block; }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); padding: 1rem; }
  nav ul { columns: 2; column-gap: 1rem; }
  nav h2 { margin-top: .8rem; }
  nav li { break-inside: avoid; }
  nav li a { padding: .4rem 0; }
  main { padding: 1.2rem 1rem 4rem; }
  section { padding: .9rem; }
  thead { display: none; }
  tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  td, td:first-child { display: block; width: auto; border: 0; padding: .05rem 0; }
}
@media (max-width: 800px) { .schemas { display: none; } }
@media (max-width: 380px) { nav ul { columns: 1; } }
`;

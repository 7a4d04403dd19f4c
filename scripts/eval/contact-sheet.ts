/** All judged photos on one page, for people to look at: what the detector saw in each, the mistakes first. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { accepted, isWrong, type Judged, kindIsRight } from './figures.ts';

const thumbnailSidePixels = 360;
const thumbnailQuality = 72;

/** The page, self-contained: thumbnails are data URIs, boxes SVG. `summary` is preformatted text for its head. */
export async function contactSheet(title: string, summary: string, folder: string, photos: readonly Judged[]) {
  const groups = [
    { heading: 'Wrong verdict', photos: photos.filter(isWrong) },
    { heading: 'Right verdict, another kind of animal', photos: photos.filter(isOtherKind) },
    { heading: 'Pets found', photos: photos.filter((one) => !isWrong(one) && one.pet && !isOtherKind(one)) },
    { heading: 'No pet, and none found', photos: photos.filter((one) => !isWrong(one) && !one.pet) },
  ];
  const sections: string[] = [];
  for (const group of groups) {
    const cards: string[] = [];
    for (const photo of group.photos) cards.push(await card(folder, photo));
    sections.push(
      `<section><h2>${text(group.heading)} <span>${group.photos.length}</span></h2><div>${cards.join('')}</div></section>`,
    );
  }
  return page(title, summary, sections.join('\n'));
}

function isOtherKind(photo: Judged): boolean {
  return photo.pet && accepted(photo) && photo.species !== '' && !kindIsRight(photo);
}

async function card(folder: string, photo: Judged): Promise<string> {
  const { file, found } = photo;
  const thumbnail = await sharp(await readFile(join(folder, file)))
    .autoOrient()
    .resize(thumbnailSidePixels, thumbnailSidePixels, { fit: 'inside' })
    .flatten({ background: '#ffffff' })
    .jpeg({ quality: thumbnailQuality })
    .toBuffer();
  const seen = found.pets.map(({ label, score }) => `${label} ${score.toFixed(2)}`).join(', ');
  const verdict = seen === '' ? `no pet (best ${found.best_score.toFixed(2)})` : seen;
  const expected = photo.pet ? photo.species || 'a pet' : 'no pet';
  const state = isWrong(photo) ? 'wrong' : isOtherKind(photo) ? 'other' : 'right';
  return `<figure class="${state}">
<div class="photo" style="aspect-ratio:${found.width}/${found.height}"><img src="data:image/jpeg;base64,${thumbnail.toString('base64')}" alt="${text(file)}: ${text(verdict)}">${boxes(found)}</div>
<figcaption><b>${text(verdict)}</b><br>is: ${text(expected)} · ${found.looks} ${found.looks === 1 ? 'inference' : 'inferences'}<br><small>${text(file)}</small></figcaption></figure>`;
}

function boxes({ width, height, pets }: Judged['found']): string {
  const rectangles = pets.map(
    ({ box }) => `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}"/>`,
  );
  return `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true">${rectangles.join('')}</svg>`;
}

function page(title: string, summary: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${text(title)}</title>
<style>
:root{color-scheme:light dark;--right:#1a7f37;--other:#b26a00;--wrong:#cf222e}
body{font:14px/1.45 system-ui,sans-serif;margin:0 auto;padding:16px;max-width:1400px}
h1{font-size:22px;margin:.2em 0}h2{font-size:16px;margin:28px 0 10px}h2 span{opacity:.6;font-weight:400}
pre{white-space:pre-wrap;padding:12px;border:1px solid #8884;border-radius:8px;font-size:12px;line-height:1.5}
section>div{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px;align-items:start}
figure{margin:0;border:1px solid #8884;border-top:4px solid var(--right);border-radius:8px;overflow:hidden}
figure.other{border-top-color:var(--other)}figure.wrong{border-top-color:var(--wrong)}
.photo{position:relative}.photo img,.photo svg{position:absolute;inset:0;width:100%;height:100%}
rect{fill:none;stroke:#ffe600;stroke-width:2.5px;vector-effect:non-scaling-stroke;paint-order:stroke}
figcaption{padding:8px;overflow-wrap:anywhere}small{opacity:.7}
@media(min-width:900px){section>div{grid-template-columns:repeat(auto-fill,minmax(210px,1fr))}}
</style></head><body>
<h1>${text(title)}</h1><pre>${text(summary)}</pre>
${body}
</body></html>
`;
}

function text(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

/** The figures as text, for a terminal and for the head of the contact sheet. */
import { crossValidate, isWrong, type Judged, kindIsRight, quantile, shares, sweep, tellShare } from './figures.ts';

export type Report = {
  readonly model: string;
  readonly threshold: string;
  readonly photos: readonly Judged[];
  readonly ms: { readonly median: number; readonly p95: number };
};

export function report({ model, threshold, photos, ms }: Report): string {
  const { found, falselyAccepted, dogsAndCatsRight, allKindsRight } = shares(photos);
  const looks = photos.map((photo) => photo.found.looks);
  const mean = looks.reduce((sum, count) => sum + count, 0) / looks.length;
  const again = looks.filter((count) => count > 1).length;
  return [
    `${model} at ${threshold}, ${photos.length} photos. In brackets the 95 % interval (Wilson).`,
    `  pets found                 ${tellShare(found)}`,
    `  accepted without a pet     ${tellShare(falselyAccepted)}`,
    `  kind right, dogs and cats  ${tellShare(dogsAndCatsRight)}`,
    `  kind right, all animals    ${tellShare(allKindsRight)}`,
    `  looked at again            ${again} of ${photos.length}; ${mean.toFixed(2)} inferences a photo`,
    `  time a photo               median ${ms.median.toFixed(0)} ms, 95th percentile ${ms.p95.toFixed(0)} ms`,
    ...(photos.some((photo) => photo.fullScore !== undefined) ? sweepLines(photos) : []),
    ...mistakes(photos),
  ].join('\n');
}

function sweepLines(photos: readonly Judged[]): string[] {
  const { found, falselyAccepted, thresholds } = crossValidate(photos);
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  return [
    '',
    'Every look taken: found / accepted without a pet',
    ...sweep(photos).map((row) => `  at ${row.threshold.toFixed(2)}  ${row.found} / ${row.falselyAccepted}`),
    `Threshold from one half, counted on the other (500 halvings): ${percent(found)} found, ` +
      `${percent(falselyAccepted)} accepted without a pet`,
    `  thresholds chosen: 5 % below ${quantile(thresholds, 0.05).toFixed(3)}, half below ` +
      `${quantile(thresholds, 0.5).toFixed(3)}, 95 % below ${quantile(thresholds, 0.95).toFixed(3)}`,
  ];
}

function mistakes(photos: readonly Judged[]): string[] {
  const lines = photos.flatMap((photo) => {
    const { file, found, pet, species } = photo;
    const best = found.pets[0];
    if (isWrong(photo)) {
      const what = pet ? `missed a ${species || 'pet'}` : `took it for a ${best?.label}`;
      return [`  ${file}: ${what}, score ${found.best_score.toFixed(3)}`];
    }
    return pet && species !== '' && !kindIsRight(photo) ? [`  ${file}: a ${species}, called ${best?.label}`] : [];
  });
  return lines.length === 0 ? [] : ['', 'Mistakes', ...lines];
}

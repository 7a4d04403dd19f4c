/** A folder of photos with what is in them, from a labels.csv: the columns `file`, `expected_pet` and `species` count. */
import { readFileSync } from 'node:fs';

export type LabelledPhoto = { readonly file: string; readonly pet: boolean; readonly species: string };

/** @throws Error that names the file and the line. */
export function readLabels(path: string): readonly LabelledPhoto[] {
  const [header, ...lines] = readFileSync(path, 'utf8')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  const columns = cells(header ?? '');
  const [file, pet, species] = ['file', 'expected_pet', 'species'].map((name) => columns.indexOf(name));
  if (file === undefined || file < 0 || pet === undefined || pet < 0) {
    throw new Error(`${path}: the first line must name the columns file and expected_pet, and species where known`);
  }
  return lines.map((line, index) => {
    const row = cells(line);
    const expected = row[pet];
    if (expected !== 'true' && expected !== 'false') {
      throw new Error(`${path}: line ${index + 2}: expected_pet is "${expected ?? ''}", not true or false`);
    }
    return { file: row[file] ?? '', pet: expected === 'true', species: row[species ?? -1] ?? '' };
  });
}

/** The cells of one line; quotes may hold commas and doubled quotes, not line breaks. */
function cells(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    (match) => match[1]?.replaceAll('""', '"') ?? match[2] ?? '',
  );
}

/** Valid files broken in ways that a seed decides: what fails once fails again. */

type Photo = readonly [format: string, bytes: Buffer];
export type Mutation = { readonly name: string; readonly bytes: Buffer };
type Random = { readonly below: (limit: number) => number };

const flipsMax = 16;
const junkBytesMax = 64;

/** One after the other, each made when it is asked for; several may ask in turn. */
export function* mutations(photos: readonly Photo[], options: { readonly count: number; readonly seed: number }) {
  for (let index = 0; index < options.count; index += 1) {
    const random = randomFrom(options.seed + index);
    const [format, bytes] = photos[index % photos.length] ?? ['', Buffer.alloc(0)];
    const [how, mutate] = ways[random.below(ways.length)] ?? ['untouched', (file: Buffer) => file];
    const mutation: Mutation = { name: `${index}: ${format}, ${how}`, bytes: mutate(bytes, random, photos) };
    yield mutation;
  }
}

const ways: readonly (readonly [how: string, (file: Buffer, random: Random, photos: readonly Photo[]) => Buffer])[] = [
  ['flipped bits', (file, random) => changed(file, random, (value) => value ^ (1 << random.below(8)))],
  ['other bytes', (file, random) => changed(file, random, () => random.below(256))],
  ['extreme bytes', (file, random) => changed(file, random, () => (random.below(2) === 0 ? 0 : 255))],
  ['a header of other bytes', (file, random) => changed(file, random, () => random.below(256), 64)],
  ['cut off', (file, random) => file.subarray(0, random.below(file.length))],
  ['without its beginning', (file, random) => file.subarray(random.below(file.length))],
  ['a piece left out', (file, random) => cut(file, random, Buffer.alloc(0))],
  ['a piece of junk', (file, random) => cut(file, random, junk(random))],
  ['a piece twice', (file, random) => cut(file, random, file.subarray(random.below(file.length)))],
  ['spliced with another format', (file, random, photos) => spliced(file, random, photos)],
];

function changed(file: Buffer, random: Random, change: (value: number) => number, within = file.length): Buffer {
  const copy = Buffer.from(file);
  for (let left = 1 + random.below(flipsMax); left > 0; left -= 1) {
    const at = random.below(Math.min(within, copy.length));
    copy[at] = change(copy[at] ?? 0) & 0xff;
  }
  return copy;
}

function cut(file: Buffer, random: Random, put: Buffer): Buffer {
  const from = random.below(file.length);
  const to = Math.min(file.length, from + random.below(junkBytesMax));
  return Buffer.concat([file.subarray(0, from), put, file.subarray(to)]);
}

function junk(random: Random): Buffer {
  return Buffer.from(Array.from({ length: 1 + random.below(junkBytesMax) }, () => random.below(256)));
}

function spliced(file: Buffer, random: Random, photos: readonly Photo[]): Buffer {
  const [, other] = photos[random.below(photos.length)] ?? ['', file];
  return Buffer.concat([file.subarray(0, random.below(file.length)), other.subarray(random.below(other.length))]);
}

/** mulberry32: 32 bits of state are plenty here. */
function randomFrom(seed: number): Random {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  return {
    below: (limit) => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
    },
  };
}

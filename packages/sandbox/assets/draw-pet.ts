/**
 * Draws `pet.jpg`, the demo's default photo: a ginger tabby on a living-room floor. The cat is a signed distance
 * field, traced once for its skin, light and depth, and then covered with about 250,000 hairs. Every chance
 * comes from a seeded generator, so the same sources draw the same picture.
 */
import { fileURLToPath } from 'node:url';
import { createCamera } from './pet/camera.ts';
import { createFilm } from './pet/film.ts';
import { paintCat } from './pet/fur.ts';
import { paintRoom } from './pet/room.ts';

const widthPixels = 900;
const heightPixels = 1200;
const pixelsPerUnit = 365;
const jpegQuality = 90;

const camera = createCamera([2.8, 1.35, 7], [0.03, 1.0, 0], pixelsPerUnit, widthPixels, heightPixels);
const film = createFilm(widthPixels, heightPixels);
paintRoom(film, camera);
paintCat(film, camera);

const target = process.argv[2] ?? fileURLToPath(new URL('pet.jpg', import.meta.url));
await film.develop().jpeg({ quality: jpegQuality }).toFile(target);

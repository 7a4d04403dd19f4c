/** `npm run all-in-one`: as `npm start`, with the five services in one process and on one port. */
import { up } from './run/up.ts';

await up({ inOneProcess: true });

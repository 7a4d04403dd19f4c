/** `npm start`: the five services, kept up, with the sandbox for everything outside that no variable names. */
import { up } from './run/up.ts';

await up({ inOneProcess: false });

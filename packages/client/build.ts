/**
 * Builds what is published, into `dist/`: a package of its own, with its own package.json, so that nothing of the
 * workspace gets into it. Its own tests use `src/` as it is; the examples use `dist/`.
 *
 * The code is there once, as CommonJS; ESM gets a wrapper around it. With two copies, an error thrown by one would not be
 * an `instanceof` the other's class, and a backend that loads both would branch wrongly.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = fileURLToPath(new URL('.', import.meta.url));
const require = createRequire(import.meta.url);
const compileTimeoutMs = 120_000;

if (import.meta.main) await build(join(here, 'dist'));

/** Empties the folder and builds the package into it. Throws with the compiler's messages when there are any. */
export async function build(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  // First, since it says that the .js files are CommonJS.
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(await manifest(), undefined, 2)}\n`);
  await compile(folder);
  await renameImportsOfTypes(folder);
  // Of the sources, whose dependencies are installed: the folder may lie where nothing is.
  const names = Object.keys(await import('./src/index.ts'));
  const wrapper = `export { ${names.join(', ')} } from './index.js';\n`;
  await Promise.all([
    writeFile(join(folder, 'index.mjs'), wrapper),
    writeFile(join(folder, 'index.d.mts'), `export * from './index.js';\n`),
    copyFile(join(here, 'README.md'), join(folder, 'README.md')),
  ]);
}

async function compile(folder: string): Promise<void> {
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
  const project = join(here, 'tsconfig.build.json');
  try {
    await promisify(execFile)(process.execPath, [tsc, '-p', project, '--outDir', folder], {
      timeout: compileTimeoutMs,
    });
  } catch (cause) {
    throw new Error(`tsc failed:\n${(cause as { stdout?: string }).stdout}`, { cause });
  }
}

/** The compiler rewrites `./x.ts` to `./x.js` in code, but not in declarations. */
async function renameImportsOfTypes(folder: string): Promise<void> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.d.ts')).map((name) => join(folder, name));
  for (const file of files) {
    const types = await readFile(file, 'utf8');
    await writeFile(file, types.replaceAll(/(from '\.\/[a-z-]+)\.ts'/g, "$1.js'"));
  }
}

type Manifest = {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: object;
  readonly dependencies: Readonly<Record<string, string>>;
};

/** The published package.json. `main` and `types` are for TypeScript's old "node" resolution, which knows no `exports`. */
async function manifest(): Promise<object> {
  const source = JSON.parse(await readFile(join(here, 'package.json'), 'utf8')) as Manifest;
  const { name, version, description, license, engines } = source;
  const dependencies = Object.keys(source.dependencies).map(async (dependency) => [
    dependency,
    await range(dependency),
  ]);
  return {
    name,
    version,
    description,
    license,
    type: 'commonjs',
    main: './index.js',
    module: './index.mjs',
    types: './index.d.ts',
    exports: {
      '.': {
        import: { types: './index.d.mts', default: './index.mjs' },
        require: { types: './index.d.ts', default: './index.js' },
      },
      './package.json': './package.json',
    },
    files: ['*.js', '*.mjs', '*.d.ts', '*.d.mts'],
    sideEffects: false,
    engines,
    dependencies: Object.fromEntries(await Promise.all(dependencies)),
  };
}

/** The installed version, which is the one that was tested, or a compatible later one. */
async function range(dependency: string): Promise<string> {
  const path = join(here, 'node_modules', dependency, 'package.json');
  const { version } = JSON.parse(await readFile(path, 'utf8')) as { version: string };
  return `^${version}`;
}

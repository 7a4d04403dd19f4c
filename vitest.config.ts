import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * Four kinds of tests, told apart by what they start and so by how long they may take:
 *   unit         nothing but the code itself (`src/`, beside the file)
 *   integration  sockets, processes, a real NATS and Redis (`<package>/test/`)
 *   journey      all five services (`test/`)
 *   setup        the way from a bare machine to a running one (`scripts/test/`); installs packages
 * One kind alone: `npm test -- --project integration`.
 */
const cores = availableParallelism();

export default defineConfig({
  test: {
    globalSetup: ['packages/testing/src/global-setup.ts'],
    // Processes: sharp and onnxruntime are native, and tests set environment variables.
    pool: 'forks',
    slowTestThreshold: 1_000,
    teardownTimeout: 10_000,
    projects: [
      kind('unit', ['{packages,services}/*/src/**/*.test.ts', 'scripts/!(test)/*.test.ts'], {
        testTimeout: 5_000,
        maxWorkers: clamp(cores, 2, 4),
        group: 0,
      }),
      kind('integration', ['{packages,services}/*/test/**/*.test.ts'], {
        testTimeout: 30_000,
        maxWorkers: clamp(cores, 2, 4),
        group: 0,
      }),
      // One at a time on two cores: each starts five services, and the detector alone can fill a core.
      kind('journey', ['test/**/*.test.ts'], { testTimeout: 120_000, maxWorkers: clamp(cores / 4, 1, 4), group: 1 }),
      kind('setup', ['scripts/test/*.test.ts'], { testTimeout: 600_000, maxWorkers: 1, group: 2 }),
    ],
  },
});

type Bounds = { readonly testTimeout: number; readonly maxWorkers: number; readonly group: number };

function kind(name: string, include: string[], { testTimeout, maxWorkers, group }: Bounds) {
  return {
    extends: true as const,
    test: { name, include, testTimeout, hookTimeout: testTimeout, maxWorkers, sequence: { groupOrder: group } },
  };
}

function clamp(value: number, min: number, max: number): number {
  return Math.max(min, Math.min(max, Math.floor(value)));
}

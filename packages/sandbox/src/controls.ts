/** How another process steers a fake: its behaviour, its faults and what it has seen, under `/__sandbox/`. */
import type { FastifyInstance } from 'fastify';
import { ZodError, z } from 'zod';

/** Any subset of the settings, nested ones too. */
export type Patch<T> = { readonly [K in keyof T]?: T[K] extends object ? Patch<T[K]> : T[K] };

export type Behaviour<T extends object> = {
  current(): T;
  /** Merges settings into the present ones. Throws a ZodError for an unknown or wrong one; then nothing changes. */
  set(patch: Patch<T>): T;
  /** Back to what it started with. */
  reset(): void;
};

/** Settings that a schema describes; its defaults stand where `initial` says nothing. */
export function createBehaviour<T extends object>(schema: z.ZodType<T>, initial: Patch<T> = {}): Behaviour<T> {
  const first = schema.parse(initial);
  let now = first;
  return {
    current: () => now,
    set: (patch) => {
      now = schema.parse(merge(now, patch));
      return now;
    },
    reset: () => {
      now = first;
    },
  };
}

type Controls = {
  readonly behaviour?: { current(): unknown; set(patch: object): unknown };
  readonly faults?: { push(...faults: readonly unknown[]): void; waiting(): readonly unknown[]; clear(): void };
  /** `GET /__sandbox/<name>` answers what the function returns. */
  readonly records?: Readonly<Record<string, () => unknown>>;
  /** `POST /__sandbox/<name>` calls the function with the body and answers what it returns. */
  readonly actions?: Readonly<Record<string, (body: unknown) => unknown>>;
};

/** Adds the control routes to a fake. A wrong body is answered with 422 and `{error}`. */
export function addControls(app: FastifyInstance, controls: Controls): void {
  app.register(async (scope) => {
    scope.setErrorHandler((error, _request, reply) => {
      if (error instanceof ZodError) return reply.code(422).send({ error: z.prettifyError(error) });
      const known = error instanceof Error ? error.message : String(error);
      return reply.code(400).send({ error: known });
    });
    const { behaviour, faults } = controls;
    if (behaviour !== undefined) {
      scope.get('/__sandbox/behaviour', async () => behaviour.current());
      scope.post('/__sandbox/behaviour', async ({ body }) => behaviour.set(z.looseObject({}).parse(body)));
    }
    if (faults !== undefined) {
      scope.get('/__sandbox/faults', async () => faults.waiting());
      scope.post('/__sandbox/faults', async ({ body }) => {
        faults.push(...(Array.isArray(body) ? body : [body]));
        return faults.waiting();
      });
      scope.delete('/__sandbox/faults', async () => {
        faults.clear();
        return faults.waiting();
      });
    }
    for (const [name, read] of Object.entries(controls.records ?? {})) {
      scope.get(`/__sandbox/${name}`, async () => read());
    }
    for (const [name, act] of Object.entries(controls.actions ?? {})) {
      scope.post(`/__sandbox/${name}`, async ({ body }) => (await act(body)) ?? { done: true });
    }
  });
}

function merge(base: unknown, patch: unknown): unknown {
  if (!isPlainObject(base) || !isPlainObject(patch)) return patch;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (value !== undefined) merged[key] = merge(base[key], value);
  }
  return merged;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

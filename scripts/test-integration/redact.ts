/** The API key, wherever it turns up: a service may well quote it. */

/** A copy of a value in which every text that has the key in it has `***` instead. */
export function redacted<T>(value: T, key: string | undefined): T {
  return key === undefined ? value : (clean(value, key) as T);
}

function clean(value: unknown, key: string): unknown {
  if (typeof value === 'string') return value.replaceAll(key, '***');
  if (Array.isArray(value)) return value.map((one) => clean(one, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, clean(one, key)]));
}

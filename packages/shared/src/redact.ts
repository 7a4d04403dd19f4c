/**
 * What must not be read in a log, an error or a dead letter.
 *
 * Secrets are those of this process's environment: `readConfig` says them here, and every line and letter goes through
 * `redact`, so that none of them depends on who wrote it. A process has one environment, and so one list. What a job is
 * about (`hide`) is known where the job is.
 */

const mask = '***';
/** What is shorter would blot out half a log, and protects nothing. */
const lengthMin = 6;
/** So much of a text counts as the text: who quotes one may have cut it. */
const startLength = 24;

/** In front of the host of any URL. */
const credentials = String.raw`(?<=:\/\/)[^\s\/?#"'<>\\@]+(?=@)`;
const parameter = String.raw`(?<=[?&](?:token|access_token|api_?key|key|secret|signature|sig|password)=)[^&\s"'<>\\]+`;
const secretName = /token|key|secret|sig|pass|auth/i;
/** A parameter's value of that length is one of those that nobody types. */
const parameterLengthMin = 16;

const known = new Set<string>();
let pattern = patternOf(known);

/** Adds what is secret in an environment: whole variables, and credentials and tokens in the addresses of others. */
export function learnSecrets(
  environment: Readonly<Record<string, string | undefined>>,
  isSecret: (name: string) => boolean,
): void {
  for (const [name, value = ''] of Object.entries(environment)) {
    for (const secret of isSecret(name) ? [...partsOf(value), ...inAddresses(value)] : inAddresses(value)) {
      if (secret.length >= lengthMin) for (const form of formsOf(secret)) known.add(form);
    }
  }
  pattern = patternOf(known);
}

/** A text without the process's secrets, credentials in URLs, or tokens in their queries. */
export function redact(text: string): string {
  return text.replace(pattern, mask);
}

/** A text without the given ones, nor beginnings of them; those of fewer than 6 characters stay. */
export function hide(text: string, values: readonly string[]): string {
  const forms = values.filter((value) => value.length >= lengthMin).flatMap(formsOf);
  let shown = '';
  for (let from = 0; ; ) {
    const at = firstOf(text, forms, from);
    if (at === -1) return shown + text.slice(from);
    shown += text.slice(from, at) + mask;
    // The longest: one form of a text may go on where another ends at a quotation mark.
    from = at + Math.max(...forms.map((form) => runAt(text, form, at)));
  }
}

/** As `hide`, in all texts of a plain value. */
export function hideIn(value: unknown, values: readonly string[]): unknown {
  return eachText(value, (text) => hide(text, values));
}

/** A plain value with each of its texts replaced. */
export function eachText(value: unknown, replace: (text: string) => string): unknown {
  if (typeof value === 'string') return replace(value);
  if (Array.isArray(value)) return value.map((entry) => eachText(entry, replace));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, eachText(entry, replace)]));
}

/** Where the first beginning of any of the values is; -1 where there is none. */
function firstOf(text: string, values: readonly string[], from: number): number {
  const places = values.map((value) => text.indexOf(value.slice(0, startLength), from)).filter((at) => at !== -1);
  return places.length === 0 ? -1 : Math.min(...places);
}

/** How many characters of a value stand there; 0 where that is less than its beginning. */
function runAt(text: string, value: string, at: number): number {
  if (!text.startsWith(value.slice(0, startLength), at)) return 0;
  let length = Math.min(startLength, value.length);
  while (length < value.length && text[at + length] === value[length]) length++;
  return length;
}

/** A secret variable and, of a list, its entries; of `name:secret` the secret. */
function partsOf(value: string): string[] {
  const entries = value.split(',').map((entry) => entry.trim());
  const named = entries.filter((entry) => !entry.includes('://')).map((entry) => entry.slice(entry.indexOf(':') + 1));
  return [value, ...entries, ...named];
}

/** Passwords, or users without one, and tokens in queries. */
function inAddresses(value: string): string[] {
  return value.split(',').flatMap((part) => {
    const [, user, password] = /:\/\/([^\s/?#@:]*)(?::([^\s/?#@]*))?@/.exec(part) ?? [];
    const query = [...(URL.parse(part.trim())?.searchParams ?? [])];
    const tokens = query.filter(([name, token]) => secretName.test(name) || token.length >= parameterLengthMin);
    return [password ?? user ?? '', ...tokens.map(([, token]) => token)];
  });
}

/** As it is, as it stands in JSON, and with and without percent signs. */
function formsOf(text: string): string[] {
  const forms = [text, encodeURIComponent(text.toWellFormed()), decoded(text)];
  return [...new Set(forms.flatMap((form) => [form, JSON.stringify(form).slice(1, -1)]))];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function patternOf(texts: Iterable<string>): RegExp {
  const literals = [...texts].toSorted((a, b) => b.length - a.length);
  const escaped = literals.map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`));
  return new RegExp([...escaped, credentials, parameter].join('|'), 'g');
}

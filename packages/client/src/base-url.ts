/** The gateway's address, however it was written down. */

/**
 * The address that `/api/…` is put after, from one that ends with or without `/` and with or without `/api`.
 * Throws `TypeError` for what is no http(s) address, or has credentials, a query or a fragment.
 */
export function normalizeBaseUrl(baseUrl: string): string {
  const url = parse(baseUrl);
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new TypeError('baseUrl must be an http(s) address, such as https://pet-roast.example.com');
  }
  // Not shown: it may hold a password.
  if (url.username || url.password || url.search || url.hash) {
    throw new TypeError('baseUrl must have no credentials, query or fragment');
  }
  return url.origin + url.pathname.replace(/\/+$/, '').replace(/\/api$/, '');
}

/** `URL.parse` and `URL.canParse` are newer than Node 18.0. */
function parse(value: string): URL | undefined {
  try {
    return new URL(value);
  } catch {
    return undefined;
  }
}

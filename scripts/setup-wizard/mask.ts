/** Values as they may be seen by whoever looks over the operator's shoulder, or reads a log. */

const shownChars = 4;
/** Of a shorter secret, four characters would be a good part. */
const lengthForShowingMin = 12;

/** A secret's first four characters and its length; of a short one only the length. */
export function maskSecret(value: string): string {
  const start = value.length < lengthForShowingMin ? '' : value.slice(0, shownChars);
  return `${start}… (${value.length} characters)`;
}

/** An address without the user name and password in it. */
export function maskUrl(value: string): string {
  return value.replaceAll(/\/\/[^/@\s]*@/g, '//***@');
}

/** A stranger's text without the secrets that it may quote, at most 200 characters of it. */
export function quote(text: string, secrets: readonly string[]): string {
  // Before the cut, or the cut could leave half of one.
  const blotted = secrets.filter((one) => one !== '').reduce((rest, one) => rest.replaceAll(one, '***'), text);
  return blotted.slice(0, 200);
}

/**
 * The languages between which texts are translated: English and the 22 scheduled languages of India, by ISO 639 code,
 * as AI4Bharat's IndicTrans2 knows them (flores_codes_map_indic.py). `kok` is another name for `gom`.
 */
const codes = 'en as bn brx doi gom gu hi kn ks mai ml mni mr ne or pa sa sat sd ta te ur kok';
export const languageCodes: ReadonlySet<string> = new Set(codes.split(' '));

/** Whether a text can be translated from or into this language. */
export function isLanguage(code: string): boolean {
  return languageCodes.has(code);
}

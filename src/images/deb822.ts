/**
 * The stanza format of Debian's control files (deb822(5)): `Field: value` lines, continued by lines that begin with a
 * blank, stanzas separated by empty lines. Package indices, .deb control files and .sources files are all written so.
 */

/** One stanza: field names in lower case, values with their continuation lines. */
export type Stanza = ReadonlyMap<string, string>;

export function parseStanzas(text: string): Stanza[] {
  const stanzas: Stanza[] = [];
  let stanza = new Map<string, string>();
  let field: string | undefined;
  for (const line of [...text.split(/\r?\n/), '']) {
    if (line.startsWith('#')) continue;
    if (line.trim() === '') {
      if (stanza.size > 0) stanzas.push(stanza);
      stanza = new Map();
      field = undefined;
    } else if (/^[ \t]/.test(line)) {
      if (field !== undefined) stanza.set(field, `${stanza.get(field)!}\n${line}`);
    } else {
      const colon = line.indexOf(':');
      field = colon > 0 ? line.slice(0, colon).toLowerCase() : undefined;
      if (field !== undefined) stanza.set(field, line.slice(colon + 1).trim());
    }
  }
  return stanzas;
}

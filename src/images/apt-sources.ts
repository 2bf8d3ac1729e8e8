/**
 * Which archives the host's apt is configured for (sources.list(5): one-line and deb822), and the same Debian archives
 * for another suite. Addresses, keyrings and options are taken over as the host has them; only the suite changes.
 */

import { parseStanzas } from './deb822.ts';

/** One `deb` source as deb822 fields, names in lower case. */
export type AptSource = ReadonlyMap<string, string>;

/** One-line options that carry over, and their deb822 names (sources.list(5)). */
const ONE_LINE_OPTIONS: Readonly<Record<string, string>> = {
  'signed-by': 'signed-by',
  trusted: 'trusted',
  'check-valid-until': 'check-valid-until',
  'valid-until-max': 'valid-until-max',
  'by-hash': 'by-hash',
};

/** Fields that are written anew, or that bind a source to the suite or the languages it had. */
const REPLACED_FIELDS = new Set([
  'types', 'suites', 'components', 'enabled', 'architectures', 'languages', 'targets', 'snapshot', 'x-repolib-name',
]);

const SUITE_KINDS = ['', '-updates', '-security'] as const;

/** The `deb` sources of a file, by its name's ending: `.sources` is deb822, everything else one-line. */
export function parseAptSources(fileName: string, text: string): AptSource[] {
  if (!fileName.endsWith('.sources')) return text.split('\n').flatMap(parseOneLine);
  return parseStanzas(text).filter((stanza) => {
    const isEnabled = !/^(no|false|without|off|disable)$/i.test(stanza.get('enabled') ?? '');
    return isEnabled && words(stanza.get('types')).includes('deb');
  });
}

function parseOneLine(line: string): AptSource[] {
  const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)/.exec(line);
  if (match === null) return [];
  const [, options = '', uri, suite, components = ''] = match;
  const fields = new Map([['types', 'deb'], ['uris', uri!], ['suites', suite!], ['components', components.trim()]]);
  for (const option of words(options)) {
    const equals = option.indexOf('=');
    const name = ONE_LINE_OPTIONS[option.slice(0, equals).toLowerCase()];
    if (name !== undefined) fields.set(name, option.slice(equals + 1));
  }
  return [fields];
}

/**
 * The host's Debian sources for another suite, as the text of a `.sources` file; undefined if the host has none. A
 * source is Debian's when it has the component `main` and one of the suites that the host's release is made of.
 */
export function sourcesForSuite(sources: readonly AptSource[], hostSuite: string, suite: string): string | undefined {
  const stanzas: string[] = [];
  for (const source of sources) {
    if (!words(source.get('components')).includes('main')) continue;
    const suites = SUITE_KINDS.filter((kind) => words(source.get('suites')).includes(hostSuite + kind));
    if (suites.length === 0) continue;
    const kept = [...source].filter(([name]) => !REPLACED_FIELDS.has(name));
    const fields = [
      ['types', 'deb'], ...kept, ['suites', suites.map((kind) => suite + kind).join(' ')], ['components', 'main'],
    ];
    stanzas.push(fields.map(([name, value]) => `${name}: ${value}\n`).join(''));
  }
  return stanzas.length === 0 ? undefined : stanzas.join('\n');
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}

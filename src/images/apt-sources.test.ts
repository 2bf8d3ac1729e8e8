/** What a host's source lists say, and how they are turned to another suite. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAptSources, sourcesForSuite } from './apt-sources.ts';
import { parseStanzas } from './deb822.ts';

const DEB822 = `# Debian
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Enabled: yes
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://other.example/
Suites: nodistro
Components: main

Types: deb
URIs: http://mirror.example/off
Suites: bookworm
Components: main
Enabled: no
`;

const ONE_LINE = `deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # comment
deb-src http://mirror.example/debian bookworm main
#deb http://mirror.example/old bookworm main
deb http://docker.example/ bookworm stable
`;

function derived(fileName: string, text: string, suite = 'trixie'): (string | undefined)[][] {
  const written = sourcesForSuite(parseAptSources(fileName, text), 'bookworm', suite) ?? '';
  const fields = ['uris', 'suites', 'components', 'signed-by'];
  return parseStanzas(written).map((stanza) => fields.map((name) => stanza.get(name)));
}

test('of deb822 sources, the enabled ones of the release are turned, keyrings kept', () => {
  assert.deepEqual(derived('debian.sources', DEB822), [
    ['http://mirror.example/debian', 'trixie trixie-updates', 'main', '/usr/share/keyrings/debian.gpg'],
    ['http://mirror.example/debian-security', 'trixie-security', 'main',
      '\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc'],
  ]);
});

test('of one-line sources, the deb lines with the component main are turned', () => {
  assert.deepEqual(derived('sources.list', ONE_LINE), [['http://mirror.example/debian', 'trixie', 'main', '/k.gpg']]);
});

test('a host without sources of its release gives none', () => {
  const sources = parseAptSources('a.list', 'deb http://x.example sid main');
  assert.equal(sourcesForSuite(sources, 'bookworm', 'trixie'), undefined);
});

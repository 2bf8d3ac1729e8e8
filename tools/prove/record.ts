/**
 * docs/proofs.md: what was proved, at which commit, with which command. The page is made from the lines and from what
 * was proved; the table is also where proofs are read back from.
 */

import type { Proof, ProofLine } from './line.ts';

const HEAD = `# Proofs

Promises that take too long for the test suite. \`npm run prove\` proves those that do not hold yet, one at a time, and
writes each result here at once, so that it can be stopped and gone on with; \`npm run prove NAME\` proves one.
\`npm run prove list\` says which hold: a proof does until something that it rests on changes after its commit.

| name | promise | figure | commit | date | command |
|---|---|---|---|---|---|
`;
const FAILED = 'failed: ';
const NONE = '–';

/** The page. A line that was never tried has no figure. */
export function pageOf(lines: readonly ProofLine[], proofs: readonly Proof[]): string {
  const rows = lines.map((line) => {
    const proof = proofs.find(({ name }) => name === line.name);
    const figure = proof === undefined ? NONE : `${proof.holds ? '' : FAILED}${cell(proof.figure)}`;
    const [commit, date] = [proof?.commit ?? NONE, proof?.date ?? NONE];
    const command = `\`node ${line.command.join(' ')}\``;
    return `| ${[line.name, cell(line.what), figure, commit, date, command].join(' | ')} |\n`;
  });
  return HEAD + rows.join('');
}

/** The proofs that a page records. */
export function proofsOf(page: string): Proof[] {
  return page.split('\n').flatMap((row) => {
    const [, name = '', , figure = '', commit = '', date = ''] = row.split('|').map((text) => text.trim());
    if (!/^[0-9a-f]{7,40}$/.test(commit)) return [];
    const holds = !figure.startsWith(FAILED);
    return [{ name, holds, figure: holds ? figure : figure.slice(FAILED.length), commit, date }];
  });
}

function cell(text: string): string {
  return text.replaceAll('|', '/').replaceAll(/\s+/g, ' ').trim();
}

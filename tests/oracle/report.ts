/** docs/oracles.md: every instruction form, what vouches for it, and how many samples agreed. */

import type { Form } from './form.ts';
import { OTHER_ORACLES } from './oracles.ts';

export interface FormResult {
  readonly samples: number;
  readonly mismatches: number;
  /** Why there are no samples. */
  readonly reason?: string;
}

const HEAD = `# Oracles

Every instruction form that the engine knows, and what vouches for it. Written by \`node dist/tests/oracle/full.js\`.

**native**: random operands, encodings and states (registers, flags, x87, SSE, memory that crosses into pages that are
read-only or missing) run on the host's own processor in ring 3 and on the engine; all registers, flags, memory, the
exception, its error code and address must agree. Not compared is what the manuals leave undefined
(\`tests/oracle/undefined.ts\`); reciprocal estimates and x87 transcendentals have the tolerance that
\`tests/oracle/tolerance.ts\` says. Forms that ring 3 may not execute are compared too: that they raise what they
should is native's word, what they do in ring 0 is not, and their second oracle says who vouches for that. Every form is
run as 64-bit and as 32-bit code where both have it.

`;

/** One line a form; `results` by the form's key. */
export function reportText(forms: readonly Form[], results: Readonly<Record<string, FormResult>>): string {
  const count = { native: 0, samples: 0, mismatches: 0, none: 0 };
  const lines = forms.map((form) => {
    const result = results[form.key];
    const other = OTHER_ORACLES[form.row.name];
    const native = result !== undefined && result.samples > 0;
    const oracle = [native ? 'native' : '', other ?? ''].filter((text) => text !== '').join(', ');
    if (native) count.native++;
    if (oracle === '') count.none++;
    count.samples += result?.samples ?? 0;
    count.mismatches += result?.mismatches ?? 0;
    const note = result?.reason === undefined ? '' : `not native: ${result.reason}`;
    return `| \`${form.row.opcode}\` | ${form.row.name} ${form.row.operands} | ${oracle === '' ? '**none**' : oracle} `
      + `| ${result?.samples ?? 0} | ${result?.mismatches ?? 0} | ${note} |`;
  });
  const summary = `${forms.length} forms; ${count.native} compared with the host, ${count.samples} samples, `
    + `${count.mismatches} mismatches; ${count.none} without an oracle.\n\n`;
  const columns = '| opcode | form | oracle | samples | mismatches | |\n|---|---|---|---|---|---|\n';
  return `${HEAD}${summary}${columns}${lines.join('\n')}\n`;
}

/** The `partout` command: parses, runs, and turns whatever comes of it into an exit status. */

import { OperatingError, systemError } from '../kit/errors.ts';
import { COMMANDS } from './commands.ts';
import { helpOf, overview } from './help.ts';
import { flush, say, write } from './output.ts';
import { parse } from './parse.ts';

const VERSION_OPTIONS = ['--version', '-V'];

async function main(words: readonly string[]): Promise<number> {
  const parsed = parse(COMMANDS, VERSION_OPTIONS.includes(words[0] ?? '') ? ['version', ...words.slice(1)] : words);
  if (parsed.kind === 'run') return parsed.command.run(parsed.invocation);
  await write(process.stdout, parsed.command === undefined ? overview(COMMANDS) : helpOf(parsed.command));
  return 0;
}

/** Says what went wrong: one sentence for an operating error, everything for a mistake of ours. */
function report(thrown: unknown): number {
  const error = systemErrorOfFile(thrown);
  if (error instanceof OperatingError) {
    say(error.message);
    return error.exitStatus;
  }
  say(`this is a mistake in partout: ${error instanceof Error ? error.stack : String(error)}`);
  return 1;
}

function systemErrorOfFile(thrown: unknown): unknown {
  const { path, code } = thrown as NodeJS.ErrnoException;
  // Nobody reads the output any more: there is nothing to say, and nobody to say it to.
  if (code === 'EPIPE') process.exit(1);
  return path === undefined ? thrown : systemError(`use ${path}`, thrown);
}

let status: number;
try {
  status = await main(process.argv.slice(2));
} catch (error) {
  status = report(error);
}
// Pipes take what is written when their reader does, and leaving would drop the rest.
await Promise.all([flush(process.stdout), flush(process.stderr)]);
process.exit(status);

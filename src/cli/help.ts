/** Help, made from the command table. */

import type { Command, Option } from './command.ts';
import { HELP_OPTION } from './parse.ts';

const INDENT = '  ';

/** What `partout --help` says. */
export function overview(commands: readonly Command[]): string {
  return [
    'Usage: partout COMMAND [OPTIONS]',
    '',
    "A hypervisor on Hyper-V's architecture that runs where Node runs.",
    '',
    ...columns(commands.map((command) => [signature(command), command.summary])),
    '',
    "'partout help COMMAND' says more about one of them.",
    'Data goes to standard output, everything else to standard error.',
    '',
  ].join('\n');
}

/** What `partout help COMMAND` says. */
export function helpOf(command: Command): string {
  const options = [...command.options, HELP_OPTION];
  return [
    `Usage: partout ${signature(command)} [OPTIONS]`,
    '',
    `${command.summary}.`,
    '',
    ...columns(command.operands.map((operand) => [operand.name, operand.summary])),
    ...columns(options.map((option) => [typed(option), described(option)])),
    ...(command.notes === undefined ? [] : ['', command.notes]),
    '',
  ].join('\n');
}

function signature(command: Command): string {
  const operands = command.operands.map((operand) => operand.choices?.join('|') ?? operand.name);
  return [...command.words, ...operands].join(' ');
}

function typed(option: Option): string {
  return `--${option.name}${option.value === undefined ? '' : ` ${option.value}`}`;
}

function described(option: Option): string {
  return `${option.summary}${option.repeatable === true ? '; repeatable' : ''}` +
    `${option.fallback === undefined ? '' : ` (${option.fallback})`}`;
}

function columns(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `${INDENT}${left.padEnd(width)}${right}`);
}

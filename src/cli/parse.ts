/**
 * From the words of the command line to a command and its invocation. Options are `--name value` or `--name=value`;
 * `--` ends them. What does not fit the table is refused in one sentence, with the nearest name that would.
 */

import { usage } from '../kit/errors.ts';
import { Invocation, type Command, type Option } from './command.ts';

/** Every data command has it, and every command has help. */
export const HELP_OPTION: Option = { name: 'help', summary: 'show this text' };

export type Parsed =
  | { readonly kind: 'run'; readonly command: Command; readonly invocation: Invocation }
  | { readonly kind: 'help'; readonly command?: Command };

export function parse(commands: readonly Command[], words: readonly string[]): Parsed {
  const first = words[0];
  if (first === undefined) throw usage('a command is missing');
  if (first === '--help' || first === '-h') return { kind: 'help' };
  if (first === 'help') return helpFor(commands, words.slice(1));
  const command = findCommand(commands, words);
  const rest = words.slice(command.words.length);
  if (rest.includes('--help') || rest.includes('-h')) return { kind: 'help', command };
  return { kind: 'run', command, invocation: parseRest(command, rest) };
}

function helpFor(commands: readonly Command[], words: readonly string[]): Parsed {
  return words.length === 0 ? { kind: 'help' } : { kind: 'help', command: findCommand(commands, words) };
}

function findCommand(commands: readonly Command[], words: readonly string[]): Command {
  const command = commands.find((candidate) => candidate.words.every((word, index) => words[index] === word));
  if (command !== undefined) return command;
  const group = commands.filter((candidate) => candidate.words.length > 1 && candidate.words[0] === words[0]);
  if (group.length > 0) {
    const verbs = group.map((candidate) => candidate.words[1]);
    throw usage(`partout ${words[0]} takes one of the words ${verbs.join(', ')}`);
  }
  if (words[0]?.startsWith('-') === true) throw usage(`unknown option ${words[0]}: a command comes first`);
  const near = nearest(words[0] ?? '', [...new Set(commands.map((candidate) => candidate.words[0] ?? ''))]);
  throw usage(`unknown command ${words[0]}${near === undefined ? '' : `: did you mean ${near}?`}`);
}

function parseRest(command: Command, words: readonly string[]): Invocation {
  const operands: string[] = [];
  const values = new Map<string, string[]>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === '--') {
      operands.push(...words.slice(at + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') operands.push(word);
    else at += takeOption(command, word, words[at + 1], values);
  }
  checkOperands(command, operands);
  const given = new Set(values.keys());
  for (const { name, fallback } of command.options) {
    if (fallback !== undefined && !values.has(name)) values.set(name, [fallback]);
  }
  return new Invocation(operands, values, given);
}

/** Records one option; returns how many words after it were its value. */
function takeOption(command: Command, word: string, next: string | undefined, values: Map<string, string[]>): number {
  const [, name = '', attached] = /^--?([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  const option = word.startsWith('--') ? command.options.find((candidate) => candidate.name === name) : undefined;
  if (option === undefined) {
    const near = nearest(name, command.options.map((candidate) => candidate.name));
    throw usage(`unknown option ${word}${near === undefined ? '' : `: did you mean --${near}?`}`);
  }
  const known = values.get(name);
  if (known !== undefined && option.repeatable !== true) throw usage(`--${name} is given twice: it takes one value`);
  if (option.value === undefined) {
    if (attached !== undefined) throw usage(`--${name} takes no value`);
    values.set(name, []);
    return 0;
  }
  const value = attached ?? next;
  const nextIsOption = attached === undefined && command.options.some((candidate) => next === `--${candidate.name}`);
  if (value === undefined || nextIsOption) throw usage(`--${name} needs a value: --${name} ${option.value}`);
  values.set(name, [...(known ?? []), value]);
  return attached === undefined ? 1 : 0;
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const called = `partout ${command.words.join(' ')}`;
  command.operands.forEach((operand, index) => {
    const given = operands[index];
    const choices = operand.choices?.join(' or ');
    const what = choices === undefined ? operand.name : `${operand.name}: ${choices}`;
    if (given === undefined) throw usage(`${called} needs ${what}`);
    if (choices !== undefined && operand.choices?.includes(given) !== true) {
      throw usage(`${operand.name} is ${choices}, not ${given}`);
    }
  });
  const extra = operands[command.operands.length];
  if (extra !== undefined) throw usage(`${called} does not take ${JSON.stringify(extra)}`);
}

/** The candidate that a typing error would explain, if there is one. */
function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates.map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : undefined;
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

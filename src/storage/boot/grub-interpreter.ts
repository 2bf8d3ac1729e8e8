/**
 * Runs GRUB's script language: variables, conditions, functions, loops. What a command does is the caller's; one that
 * the caller does not know succeeds and does nothing, as most commands only draw. The work is bounded.
 */

import { type Statement, type Word, parseGrubScript } from './grub-script.ts';

/** Answers whether the command succeeded. */
export type RunCommand = (name: string, words: readonly string[], block: readonly Statement[] | undefined) => boolean;

const STEPS_MAX = 100_000;
const DEPTH_MAX = 40;
const VALUE_CHARACTERS_MAX = 65_536;

export class GrubInterpreter {
  readonly variables: Map<string, string>;
  readonly #functions = new Map<string, readonly Statement[]>();
  readonly #command: RunCommand;
  readonly #isThere: (path: string, kind: 'file' | 'folder' | 'any' | 'content') => boolean;
  #parameters: readonly string[] = [];
  #steps = 0;
  #depth = 0;
  #succeeded = true;

  constructor({ variables, command, isThere }: {
    readonly variables: Map<string, string>;
    readonly command: RunCommand;
    readonly isThere: (path: string, kind: 'file' | 'folder' | 'any' | 'content') => boolean;
  }) {
    this.variables = variables;
    this.#command = command;
    this.#isThere = isThere;
  }

  /** False for what is no script, or ran too long. */
  runText(text: string): boolean {
    const statements = parseGrubScript(text);
    if (statements === undefined) return false;
    this.run(statements);
    return this.#steps <= STEPS_MAX;
  }

  /** @param parameters what `$1` and so on are. */
  run(statements: readonly Statement[], parameters = this.#parameters): boolean {
    if (this.#depth >= DEPTH_MAX) return false;
    const outer = this.#parameters;
    this.#parameters = parameters;
    this.#depth++;
    for (const statement of statements) {
      if (++this.#steps > STEPS_MAX) break;
      this.#succeeded = this.#runOne(statement);
    }
    this.#depth--;
    this.#parameters = outer;
    return this.#succeeded;
  }

  /** The words of a command with their variables put in. */
  expand(words: readonly Word[]): string[] {
    return words.flatMap((word) => this.#expandWord(word));
  }

  #runOne(statement: Statement): boolean {
    switch (statement.kind) {
      case 'command': return this.#runCommand(statement.words, statement.block);
      case 'if': {
        const branch = statement.branches.find(({ condition }) => this.run(condition));
        return this.run(branch?.body ?? statement.otherwise);
      }
      case 'for':
        for (const value of this.expand(statement.words)) {
          this.variables.set(statement.name, value);
          this.run(statement.body);
        }
        return true;
      case 'while':
        while (this.run(statement.condition) !== statement.isUntil && this.#steps <= STEPS_MAX) {
          this.#steps++;
          this.run(statement.body);
        }
        return true;
      case 'function':
        this.#functions.set(statement.name, statement.body);
        return true;
      case 'both': return this.#runOne(statement.first) && this.#runOne(statement.second);
      case 'either': return this.#runOne(statement.first) || this.#runOne(statement.second);
    }
  }

  #runCommand(words: readonly Word[], block: readonly Statement[] | undefined): boolean {
    const [name = '', ...rest] = this.expand(words);
    const assignment = /^(\w+)=([^]*)$/.exec(name);
    if (assignment !== null && rest.length === 0) return this.set(assignment[1]!, assignment[2]!);
    const body = this.#functions.get(name);
    if (body !== undefined) return this.run(body, rest);
    switch (name) {
      case '': return true;
      case 'set': return rest.every((word) => {
        const [, variable, value] = /^([^=]+)=([^]*)$/.exec(word) ?? [];
        return variable === undefined || this.set(variable, value!);
      });
      case 'unset':
        for (const variable of rest) this.variables.delete(variable);
        return true;
      case 'true': return true;
      case 'false': return false;
      case '!': return !this.#runCommand(words.slice(1), undefined);
      case '[': return this.#test(rest.at(-1) === ']' ? rest.slice(0, -1) : rest);
      case 'test': return this.#test(rest);
      default: return this.#command(name, rest, block);
    }
  }

  set(name: string, value: string): boolean {
    this.variables.set(name, value.slice(0, VALUE_CHARACTERS_MAX));
    return true;
  }

  #value(name: string): string {
    if (name === '?') return this.#succeeded ? '0' : '1';
    if (name === '#') return String(this.#parameters.length);
    if (name === '@' || name === '*') return this.#parameters.join(' ');
    if (/^\d+$/.test(name)) return this.#parameters[Number(name) - 1] ?? '';
    return this.variables.get(name) ?? '';
  }

  /** A value that is not quoted is as many words as it has. */
  #expandWord(word: Word): string[] {
    let words: string[] = [];
    let current: string | undefined;
    for (const { text, isVariable, isQuoted } of word) {
      const value = isVariable ? this.#value(text) : text;
      if (!isVariable || isQuoted) {
        current = (current ?? '') + value;
        continue;
      }
      const pieces = value.split(/\s+/);
      for (const [index, piece] of pieces.entries()) {
        if (index > 0 && current !== undefined) {
          words.push(current);
          current = undefined;
        }
        if (piece !== '') current = (current ?? '') + piece;
      }
    }
    if (current !== undefined) words.push(current);
    words = words.map((each) => each.slice(0, VALUE_CHARACTERS_MAX));
    return words;
  }

  /** The expression of `test`, `-o` binding less than `-a` [GRUB manual 16.3.89]. */
  #test(words: readonly string[]): boolean {
    const either = words.lastIndexOf('-o');
    if (either > 0) return this.#test(words.slice(0, either)) || this.#test(words.slice(either + 1));
    const both = words.lastIndexOf('-a');
    if (both > 0) return this.#test(words.slice(0, both)) && this.#test(words.slice(both + 1));
    if (words[0] === '!') return !this.#test(words.slice(1));
    const [first = '', second = '', third = ''] = words;
    if (words.length === 3) return compare(first, second, third);
    if (words.length === 2) return this.#testOne(first, second);
    return first !== '';
  }

  #testOne(operator: string, value: string): boolean {
    switch (operator) {
      case '-n': return value !== '';
      case '-z': return value === '';
      case '-e': return this.#isThere(value, 'any');
      case '-f': return this.#isThere(value, 'file');
      case '-d': return this.#isThere(value, 'folder');
      case '-s': return this.#isThere(value, 'content');
      default: return false;
    }
  }
}

function compare(left: string, operator: string, right: string): boolean {
  const [a, b] = [Number.parseInt(left, 10), Number.parseInt(right, 10)];
  switch (operator) {
    case '=': case '==': return left === right;
    case '!=': return left !== right;
    case '<': return left < right;
    case '>': return left > right;
    case '-eq': return a === b;
    case '-ne': return a !== b;
    case '-lt': return a < b;
    case '-le': return a <= b;
    case '-gt': return a > b;
    case '-ge': return a >= b;
    default: return false;
  }
}

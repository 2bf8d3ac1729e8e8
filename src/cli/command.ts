/**
 * The shape of the command table. Parsing, help and the checks of what was typed all come from it: a command or an
 * option is declared in one place.
 */

export interface Option {
  /** As typed, without the dashes. */
  readonly name: string;
  /** What the value is called in the help; an option without one is a switch. */
  readonly value?: string;
  readonly summary: string;
  /** May be given several times. */
  readonly repeatable?: boolean;
  /** Shown in the help and used when the option is absent. */
  readonly fallback?: string;
}

export interface Operand {
  readonly name: string;
  readonly summary: string;
  /** The values that it can have, when they are few. */
  readonly choices?: readonly string[];
}

export interface Command {
  /** The words that select it: `image build` has two. */
  readonly words: readonly string[];
  readonly summary: string;
  readonly operands: readonly Operand[];
  readonly options: readonly Option[];
  /** Paragraphs for the end of its help. */
  readonly notes?: string;
  /** Does it, and returns the exit status. */
  run(invocation: Invocation): Promise<number>;
}

/** What was typed, once it fits the table. */
export class Invocation {
  readonly operands: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;
  readonly #given: ReadonlySet<string>;

  /** @param given the options that were typed; the others have their fallback */
  constructor(
    operands: readonly string[], values: ReadonlyMap<string, readonly string[]>, given: ReadonlySet<string>,
  ) {
    this.operands = operands;
    this.#values = values;
    this.#given = given;
  }

  /** A switch was given. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** An option was typed, whether or not it has a fallback. */
  isGiven(name: string): boolean {
    return this.#given.has(name);
  }

  /** The value of an option, or its fallback. */
  value(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  /** Every value of a repeatable option. */
  values(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}

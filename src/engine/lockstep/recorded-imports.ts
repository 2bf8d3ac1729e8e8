/** The core's imports: what they answer while a region runs is kept, and given again when the same is interpreted. */

type Import = (...values: number[]) => unknown;

interface Call {
  readonly name: string;
  readonly values: readonly number[];
  readonly result: unknown;
  /** The words in which values cross, behind the call. */
  readonly data: Int32Array;
}

export class RecordedImports {
  readonly imports: Record<string, Import>;
  readonly #data: Int32Array;
  #calls: Call[] = [];
  #next = 0;
  #mode: 'through' | 'record' | 'replay' = 'through';

  /** `data`: the words in which 64-bit values cross. */
  constructor(imports: Record<string, Import>, data: Int32Array) {
    this.#data = data;
    this.imports = Object.fromEntries(Object.entries(imports).map(([name, act]) =>
      [name, (...values: number[]) => this.#call(name, act, values)]));
  }

  through(): void { this.#mode = 'through'; }

  record(): void {
    this.#mode = 'record';
    this.#calls = [];
    this.#next = 0;
  }

  replay(): void { this.#mode = 'replay'; }

  /** What was asked while recording and not again. */
  get left(): string[] { return this.#calls.slice(this.#next).map(({ name }) => name); }

  #call(name: string, act: Import, values: number[]): unknown {
    if (this.#mode === 'through') return act(...values);
    if (this.#mode === 'record') {
      const result = act(...values);
      this.#calls.push({ name, values, result, data: this.#data.slice() });
      return result;
    }
    const call = this.#calls[this.#next++];
    if (call === undefined || call.name !== name || call.values.join() !== values.join())
      throw new Error(`the interpreter asks for ${name}(${values.join()}) where the region asked for ` +
        (call === undefined ? 'nothing' : `${call.name}(${call.values.join()})`));
    this.#data.set(call.data);
    return call.result;
  }
}

/** Progress on standard error: one line that is written over on a terminal, one line a step elsewhere. */

import type { WriteStream } from 'node:tty';

/** Erases the line that the cursor is in. */
const ERASE_LINE = '\r\x1b[K';

export class ProgressLine {
  readonly #stream: WriteStream;
  #step = '';
  #isOpen = false;

  constructor(stream: WriteStream) {
    this.#stream = stream;
  }

  /** @param fraction how much of the step is done, 0 to 1. */
  show(step: string, fraction?: number): void {
    if (this.#stream.isTTY) {
      const percent = fraction === undefined ? '' : ` ${Math.floor(fraction * 100)} %`;
      const text = `partout: ${step}${percent}`;
      this.#stream.write(`${ERASE_LINE}${text.slice(0, Math.max(0, this.#stream.columns - 1))}`);
      this.#isOpen = true;
    } else if (step !== this.#step) {
      this.#stream.write(`partout: ${step}\n`);
    }
    this.#step = step;
  }

  /** Takes the line away. */
  close(): void {
    if (this.#isOpen) this.#stream.write(ERASE_LINE);
    this.#isOpen = false;
  }
}

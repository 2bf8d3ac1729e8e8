/** The labels that a branch of a region can name: the region's end, a loop's head, the place of a block, or none. */

export type LabelKind = 'end' | 'loop' | 'block' | 'if';

interface Label {
  readonly kind: LabelKind;
  readonly block: number;
}

export class Labels {
  /** The innermost one last. */
  readonly #open: Label[] = [];

  /** The region's code begins. */
  start(): void {
    this.#open.length = 0;
    this.open('end');
  }

  open(kind: LabelKind, block = -1): void {
    this.#open.push({ kind, block });
  }

  close(): void {
    this.#open.pop();
  }

  /** How many labels a branch to the region's end goes out of. */
  get end(): number {
    return this.#open.length - 1;
  }

  /** How many a branch to that one does. */
  depthOf(kind: LabelKind, block: number): number {
    let depth = 0;
    while (true) {
      const label = this.#open[this.#open.length - 1 - depth] as Label;
      if (label.kind === kind && label.block === block) return depth;
      depth++;
    }
  }
}

/** One line that we promise and that takes too long for the test suite: how it is proved, and what undoes the proof. */

export interface ProofLine {
  readonly name: string;
  /** The promise, as a sentence without its full stop. */
  readonly what: string;
  /** Folders and files that the promise rests on: the proof holds until one of them changes. */
  readonly folders: readonly string[];
  /** A program of the repository under Node, with its parameters; it prints `figure: …` and ends with 0 if it holds. */
  readonly command: readonly string[];
  readonly deadlineMinutes: number;
}

/** What came of a line once. */
export interface Proof {
  readonly name: string;
  readonly holds: boolean;
  readonly figure: string;
  readonly commit: string;
  /** ISO 8601, the day. */
  readonly date: string;
}

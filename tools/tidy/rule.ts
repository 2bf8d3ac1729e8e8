/** What a rule of tidy sees and says. */

export interface SourceText {
  /** Relative to the root of the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

export interface Problem {
  readonly path: string;
  /** Counted from 1. */
  readonly line: number;
  readonly message: string;
}

/** Looks at one file by itself. */
export type Rule = (file: SourceText) => Problem[];

export function sourceText(path: string, text: string): SourceText {
  return { path, text, lines: text.split('\n') };
}

/** A problem for each line that `find` has something to say about. */
export function eachLine(file: SourceText, find: (line: string) => string | undefined): Problem[] {
  return file.lines.flatMap((line, index) => {
    const message = find(line);
    return message === undefined ? [] : [{ path: file.path, line: index + 1, message }];
  });
}

/**
 * Operating errors: what a user or the host got wrong, as opposed to a mistake in the program (`assert`) and to a guest
 * that misbehaves (a value in the protocol's reply, never an error). The message is one sentence that says what is
 * wrong and what would be right; it reaches the user as it is. The code comes from one catalogue, mapped once to the
 * exit status of the command line.
 */

/** The catalogue: what kind of error it is, and the exit status of a command that ends with it. */
export const ERROR_CODES = {
  /** The command line is wrong: an unknown option, a value out of range. */
  usage: 2,
  /** Something that was named is not there: a file, an image. */
  'not-found': 2,
  /** A file is not what it was given as: not a kernel, too large for the memory. */
  'bad-input': 2,
  /** Asked for rightly, but this version does not do it. */
  unsupported: 2,
  /** The host lacks something or refuses it: a tool, a permission, memory, room on the disk. */
  host: 1,
  /** The guest refuses, does not answer, or lacks what is needed for it. */
  guest: 1,
  /** We failed. */
  internal: 1,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * An operating error.
 * @example throw new OperatingError('bad-input', `${file} is not a kernel: give a bzImage or an ELF file`);
 */
export class OperatingError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'OperatingError';
    this.code = code;
  }

  get exitStatus(): number {
    return ERROR_CODES[this.code];
  }
}

/** What was asked for makes no sense, or is not to be had. */
export function usage(message: string): OperatingError {
  return new OperatingError('usage', message);
}

/** What the operating system's commonest refusals mean, in words that fit behind "cannot do this:". */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [code: ErrorCode, words: string]>> = {
  ENOENT: ['not-found', 'there is no such file or folder'],
  ENOTDIR: ['not-found', 'a part of the path is not a folder'],
  EISDIR: ['bad-input', 'it is a folder, and a file is needed'],
  EACCES: ['host', 'permission denied'],
  EPERM: ['host', 'the system does not permit it'],
  ENOSPC: ['host', 'no room is left on the disk'],
  EROFS: ['host', 'the file system is read-only'],
};

/**
 * Turns what a file operation threw into an operating error: "cannot read the kernel /x: there is no such file".
 * Anything that is not a system error comes back as it is.
 */
export function systemError(doing: string, error: unknown): unknown {
  if (error instanceof OperatingError) return error;
  const systemCode = (error as NodeJS.ErrnoException | undefined)?.code;
  if (systemCode === undefined || !(error instanceof Error)) return error;
  const [code, words] = SYSTEM_ERRORS[systemCode] ?? ['host', `the system says ${systemCode}`];
  return new OperatingError(code, `cannot ${doing}: ${words}`, { cause: error });
}

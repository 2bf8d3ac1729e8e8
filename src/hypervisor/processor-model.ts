/**
 * Which processor a guest sees: chosen when its machine is made, and kept for as long as that lives, saved or not.
 * Levels are those that compilers know [x86-64 psABI, 3.1.1]; an instruction of a higher level raises #UD.
 */

export const PROCESSOR_LEVELS = ['v1', 'v2', 'v3'] as const;
export type ProcessorLevel = (typeof PROCESSOR_LEVELS)[number];

/**
 * What a guest can notice of its machine: processor identification and registers, protocol versions, identities of
 * devices, tables. Frozen when a machine is created, and raised when any of it changes; a machine of an older
 * version is built as it was. Since 2: AES, PCLMULQDQ and SHA from level v2 on, and levels.
 */
export const CONFIGURATION_VERSION = 2;

export interface ProcessorModel {
  readonly level: ProcessorLevel;
  /** The machine's configuration version. */
  readonly version: number;
}

export const DEFAULT_MODEL: ProcessorModel = { level: 'v2', version: CONFIGURATION_VERSION };

/** A new machine's, of a level by its name; undefined: there is none of that name. */
export function processorModel(name: string): ProcessorModel | undefined {
  const level = PROCESSOR_LEVELS.find((each) => each === name);
  return level && { ...DEFAULT_MODEL, level };
}

/** Whether one level has what another has. */
export function includesLevel(level: ProcessorLevel, other: ProcessorLevel): boolean {
  return level >= other;
}

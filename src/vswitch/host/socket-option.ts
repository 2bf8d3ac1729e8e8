/** The value of an option that is a number, as setsockopt(2) takes it. */
export function optionWord(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/**
 * Memory that begins with a page of the processor, as direct access to a file wants it. Memory that may grow is mapped
 * page by page in V8, which is what is asked for here; it never does.
 */

export function pageAlignedBytes(lengthBytes: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(lengthBytes, { maxByteLength: lengthBytes }), 0, lengthBytes);
}

/**
 * One writer for each disk image. Node has no file locks, so the lock is an abstract Unix socket named for the file's
 * identity [unix(7)]: it ends with its process, however that ends, and binding it needs no event loop. It holds between
 * the processes of one network namespace of a Linux host; elsewhere nothing is locked.
 */

import { createServer } from 'node:net';
import { OperatingError } from '../kit/errors.ts';

/** @throws OperatingError when a process, this one included, has the file open for writing. */
export function lockForWriting(path: string, { dev, ino }: { dev: number; ino: number }): Disposable | undefined {
  if (process.platform !== 'linux') return undefined;
  const server = createServer();
  // The refusal is seen below at once; the event that follows it has nothing to add.
  server.on('error', () => {});
  server.listen(`\0partout-image-${dev}-${ino}`);
  // `listen` binds before it returns; whether it did is all that `listening` says.
  if (!server.listening) {
    throw new OperatingError('host', `${path} is being written to by another program: end that first`);
  }
  server.unref();
  return { [Symbol.dispose]: () => void server.close() };
}

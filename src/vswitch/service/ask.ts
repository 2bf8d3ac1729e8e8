/** Questions to the switch process, and captures from it. */
import type { Socket } from 'node:net';
import { OperatingError } from '../../kit/errors.ts';
import { controlMessage, MessageReader } from '../link/message-reader.ts';
import { type CaptureRequest, type Query, readReply, requestText } from './requests.ts';

const NO_FRAMES = { deliver: (): boolean => true };

/**
 * The answer to a question; the connection is used up.
 * @throws OperatingError that the process answers with.
 */
export async function ask(socket: Socket, query: Query): Promise<unknown> {
  try {
    socket.write(controlMessage(requestText(query)));
    return await answerOf(socket, () => {});
  } finally {
    socket.destroy();
  }
}

/**
 * Bytes of a capture file as they come, until the connection is destroyed or ends. Resolves when it has begun.
 * @param ended called once, when nothing more comes
 */
export async function capture(
  socket: Socket, request: CaptureRequest, take: (bytes: Uint8Array) => void, ended: () => void,
): Promise<void> {
  socket.once('close', ended);
  socket.write(controlMessage(requestText(request)));
  await answerOf(socket, take);
}

async function answerOf(socket: Socket, take: (bytes: Uint8Array) => void): Promise<unknown> {
  const answer = await new Promise<unknown>((resolve) => {
    const reader = new MessageReader({ control: resolve, frames: NO_FRAMES, capture: take });
    socket.on('data', (chunk) => { if (!reader.push(chunk)) socket.destroy(); });
    socket.on('error', () => {});
    socket.once('close', () => resolve(undefined));
  });
  if (answer === undefined) throw new OperatingError('host', 'the switch process has gone: try again');
  const reply = readReply(answer);
  return reply.kind === 'answer' ? reply.value : undefined;
}

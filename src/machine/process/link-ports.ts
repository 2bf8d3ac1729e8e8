/** What links run over: the channel between a process and its child, or a pair of ports within one process. */
import type { ChildProcess } from 'node:child_process';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { LinkMessage, LinkPort } from './link.ts';

/** The channel to a child process, or of one to its parent. Its other end is gone when it is disconnected. */
export function processPort(other: ChildProcess | NodeJS.Process): LinkPort {
  return {
    post: (message) => {
      // One that is gone shows by the channel's end, not by what was sent to it.
      if (other.connected) other.send?.(message, undefined, undefined, () => {});
    },
    listen: (onMessage, onClose) => {
      other.on('message', (message) => onMessage(message as LinkMessage));
      other.once('disconnect', onClose);
    },
    close: () => {
      if (other.connected) other.disconnect?.();
    },
  };
}

/** Both ends within this process. */
export function localPorts(): readonly [LinkPort, LinkPort] {
  const { port1, port2 } = new MessageChannel();
  return [threadPort(port1), threadPort(port2)];
}

function threadPort(port: MessagePort): LinkPort {
  return {
    post: (message) => port.postMessage(message),
    listen: (onMessage, onClose) => {
      port.on('message', onMessage);
      port.once('close', onClose);
    },
    close: () => port.close(),
  };
}

/** The thread of a user-mode host port (user-port.ts): a NAT network that ends at the host. */
import { parentPort } from 'node:worker_threads';
import { FrameBatch } from '../link/frame-batch.ts';
import { MessageReader } from '../link/message-reader.ts';
import { NatNetwork } from '../nat/nat-network.ts';
import { Forwards } from './forwards.ts';
import type { UserPortCommand, UserPortReport } from './user-port.ts';

const port = parentPort!;
const report = (value: UserPortReport): void => port.postMessage(value);
const network = new NatNetwork({ outside: false });
const endpoint = network.attach('switch');
const batch = new FrameBatch((message) => {
  report(message.slice());
  return true;
});
let isScheduled = false;
endpoint.setReceiver({
  deliver: (...frame) => {
    batch.add(...frame);
    if (!isScheduled) {
      isScheduled = true;
      queueMicrotask(() => {
        isScheduled = false;
        batch.flush();
      });
    }
    return true;
  },
}, () => {});
const reader = new MessageReader({
  control: () => {}, capture: () => {}, frames: { deliver: (...frame) => endpoint.deliver(...frame) },
});
report({ taken: 0, gateway: network.gatewayAddress });
const forwards = new Forwards(network);
port.on('message', (message: UserPortCommand) => {
  if (!(message instanceof Uint8Array)) {
    void forwards.become(message).then((all) => report({ forwards: all }));
    return;
  }
  reader.push(message);
  endpoint.flush();
  report({ taken: 1, gateway: network.gatewayAddress });
});

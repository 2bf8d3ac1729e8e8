/** Whether a guest's heart beats, as a program watches it. */
import { EventEmitter } from 'node:events';
import type { HeartbeatHealth } from '../machine/description.ts';

interface HeartbeatEvents {
  /** The state is another. */
  change: [state: HeartbeatHealth];
  /** The guest has not answered for six seconds: it hangs. */
  lost: [];
  /** The guest answers, for the first time or again. */
  beating: [];
}

/**
 * @example vm.heartbeat.on('lost', () => console.error(`${vm.name} hangs`));
 */
export class HeartbeatMonitor extends EventEmitter<HeartbeatEvents> {
  #state: HeartbeatHealth = 'no-contact';

  /** `no-contact` until the guest has loaded its driver; then `ok` or `lost`. */
  get state(): HeartbeatHealth {
    return this.#state;
  }

  /** For the VM: what its machine says. */
  become(state: HeartbeatHealth): void {
    if (state === this.#state) return;
    this.#state = state;
    this.emit('change', state);
    if (state === 'ok') this.emit('beating');
    if (state === 'lost') this.emit('lost');
  }
}

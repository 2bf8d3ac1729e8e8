/** The last messages of a bus, kept as they were and put in words only when somebody looks. */
import { describeMessage } from '../protocols/vmbus/describe.ts';
import type { Sender } from '../protocols/vmbus/message-table.ts';

const KEPT = 256;

export class MessageTrace {
  #entries: { readonly sender: Sender | 'note'; readonly content: Uint8Array | string }[] = [];

  message(sender: Sender, message: Uint8Array): void {
    this.#add(sender, message);
  }

  note(text: string): void {
    this.#add('note', text);
  }

  /** Oldest first. */
  lines(): string[] {
    return this.#entries.map(({ sender, content }) =>
      `${sender}: ${typeof content === 'string' ? content : describeMessage(content)}`);
  }

  #add(sender: Sender | 'note', content: Uint8Array | string): void {
    this.#entries.push({ sender, content });
    if (this.#entries.length >= KEPT * 2) this.#entries = this.#entries.slice(-KEPT);
  }
}

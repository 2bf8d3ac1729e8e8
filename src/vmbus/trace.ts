/**
 * The last messages of a bus, kept as they were and put in words only when somebody looks. Of the many that go on with
 * a long page list only the last is kept.
 */
import { describeMessage } from '../protocols/vmbus/describe.ts';
import { CHANNEL_MESSAGES, type Sender } from '../protocols/vmbus/message-table.ts';

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
    if (goesOn(content) && goesOn(this.#entries.at(-1)?.content)) this.#entries.pop();
    this.#entries.push({ sender, content });
    if (this.#entries.length >= KEPT * 2) this.#entries = this.#entries.slice(-KEPT);
  }
}

function goesOn(content: Uint8Array | string | undefined): boolean {
  return typeof content === 'object' && content[0] === CHANNEL_MESSAGES.GpadlBody.number;
}

/** A channel message in words, from the table [Linux include/linux/hyperv.h]: for traces. */
import { className } from './class-ids.ts';
import { ChannelMessageHeader, messageRow } from './message-table.ts';

/** One line; never fails, whatever the bytes are. */
export function describeMessage(message: Uint8Array): string {
  if (message.length < ChannelMessageHeader.$size) return `a message of ${message.length} bytes`;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const number = ChannelMessageHeader.messageType.get(view, 0);
  const row = messageRow(number);
  if (row === undefined) return `message ${number}, ${message.length} bytes`;
  if (message.length < ChannelMessageHeader.$size + row.body.$size) return `${row.name} cut to ${message.length} bytes`;
  const values = row.body.decode(view, ChannelMessageHeader.$size) as Record<string, unknown>;
  const words = Object.entries(values)
    .filter(([name, value]) => typeof value !== 'object' && !name.startsWith('reserved'))
    .map(([name, value]) => ` ${name} ${valueText(value)}`);
  const tail = message.length - ChannelMessageHeader.$size - row.body.$size;
  return `${row.name}${words.join('')}${tail > 0 ? ` and ${tail} bytes` : ''}`;
}

function valueText(value: unknown): string {
  if (typeof value === 'number' && value > 9) return `0x${value.toString(16)}`;
  return typeof value === 'string' ? className(value) : String(value);
}

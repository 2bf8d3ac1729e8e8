/** A channel message in words, from the table [Linux include/linux/hyperv.h]: for traces. */
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
    .map(([name, value]) => ` ${name} ${typeof value === 'number' && value > 9 ? `0x${value.toString(16)}` : value}`);
  const tail = message.length - ChannelMessageHeader.$size - row.body.$size;
  return `${row.name}${words.join('')}${tail > 0 ? ` and ${tail} bytes` : ''}`;
}

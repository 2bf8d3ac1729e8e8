/** The page of documentation about channel messages, from the table [Linux include/linux/hyperv.h]. */
import { CHANNEL_MESSAGES, ChannelMessageHeader, type MessageRow } from './message-table.ts';
import { versionText } from './versions.ts';

const HEAD = `# VMBus channel messages

Made from \`src/protocols/vmbus/message-table.ts\`, from which the bus, the tracer and the fuzzer work too. Sizes are
in bytes with the header of ${ChannelMessageHeader.$size}; what may follow is page numbers or optional fields.

| number | message | from | since | size | may follow |
|---|---|---|---|---|---|
`;

export function messagePage(): string {
  return HEAD + Object.values(CHANNEL_MESSAGES).map((row: MessageRow) => {
    const since = row.since === 0 ? 'any' : versionText(row.since);
    const size = ChannelMessageHeader.$size + row.body.$size;
    return `| ${row.number} | ${row.name} | ${row.sender} | ${since} | ${size} | ${row.tail || ''} |\n`;
  }).join('');
}

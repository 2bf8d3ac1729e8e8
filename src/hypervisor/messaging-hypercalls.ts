/** HvCallPostMessage and HvCallSignalEvent: the checks on their inputs [TLFS 11.10]. */
import { HvCall, HvStatus } from '../protocols/tlfs/hypercalls.ts';
import { PostMessageInput, SignalEventInput } from '../protocols/tlfs/messaging.ts';
import { MESSAGE_PAYLOAD_MAX } from '../protocols/tlfs/synic.ts';
import type { Connections } from './connections.ts';
import type { HypercallDefinition } from './hypercalls.ts';

export function messagingHypercalls(connections: Connections): HypercallDefinition[] {
  return [
    {
      code: HvCall.HvCallPostMessage,
      inputBytes: PostMessageInput.$size, outputBytes: 0, repBytes: 0, variableHeader: false,
      run({ input, vpIndex }) {
        const size = PostMessageInput.payloadSize.get(input, 0);
        if (size > MESSAGE_PAYLOAD_MAX) return HvStatus.InvalidParameter;
        const payload = new Uint8Array(input.buffer, input.byteOffset + PostMessageInput.payload.offset, size);
        const type = PostMessageInput.messageType.get(input, 0);
        return connections.post(PostMessageInput.connectionId.get(input, 0), vpIndex, type, payload);
      },
    },
    {
      code: HvCall.HvCallSignalEvent,
      inputBytes: SignalEventInput.$size, outputBytes: 0, repBytes: 0, variableHeader: false,
      run({ input }) {
        const id = SignalEventInput.connectionId.get(input, 0);
        return connections.signal(id, SignalEventInput.flagNumber.get(input, 0));
      },
    },
  ];
}

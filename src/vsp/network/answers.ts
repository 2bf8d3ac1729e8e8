/** Messages of NVSP to the guest, each of the one size that all of them have. */
import {
  NVSP_MESSAGE_SIZE, NvspInitializeComplete, NvspReceiveBufferComplete, NvspSendBufferComplete,
  NvspSendIndirectionTable, NvspStatus, NvspStatusMessage, NvspSubChannelComplete, NvspType, SEND_TABLE_ENTRIES,
} from '../../protocols/nvsp.ts';
import { SECTION_BYTES } from './transmit.ts';

const MAX_MDL_CHAIN = 34;

export function statusMessage(type: number, status: number): Uint8Array {
  return message((view) => NvspStatusMessage.encode(view, 0, { type, status }));
}

/** @param version 0: none of which we know */
export function initializeComplete(version: number): Uint8Array {
  return message((view) => NvspInitializeComplete.encode(view, 0, {
    type: NvspType.InitializeComplete, version, maximumMdlChain: MAX_MDL_CHAIN,
    status: version === 0 ? NvspStatus.Failure : NvspStatus.Success,
  }));
}

/** One section, cut into `allocationCount` allocations. */
export function receiveBufferComplete(allocationBytes: number, allocationCount: number): Uint8Array {
  return message((view) => NvspReceiveBufferComplete.encode(view, 0, {
    type: NvspType.SendReceiveBufferComplete, status: NvspStatus.Success, sectionCount: 1, offset: 0,
    allocationBytes, allocationCount, endOffset: allocationBytes * allocationCount,
  }));
}

export function sendBufferComplete(isGood: boolean): Uint8Array {
  return message((view) => NvspSendBufferComplete.encode(view, 0, {
    type: NvspType.SendSendBufferComplete, status: isGood ? NvspStatus.Success : NvspStatus.Failure,
    sectionBytes: isGood ? SECTION_BYTES : 0,
  }));
}

/** How many channels the guest gets beside its first. */
export function subChannelComplete(count: number): Uint8Array {
  return message((view) => NvspSubChannelComplete.encode(view, 0, {
    type: NvspType.SubChannel, status: NvspStatus.Success, count,
  }));
}

/** The guest's channels take turns in what it sends. Behind the message lies the table. */
export function sendTable(queueCount: number): { readonly head: Uint8Array; readonly table: Uint8Array } {
  const head = message((view) => NvspSendIndirectionTable.encode(view, 0, {
    type: NvspType.SendIndirectionTable, count: SEND_TABLE_ENTRIES, offset: NVSP_MESSAGE_SIZE,
  }));
  const table = new Uint8Array(Uint32Array.from({ length: SEND_TABLE_ENTRIES }, (_, i) => i % queueCount).buffer);
  return { head, table };
}

function message(fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(NVSP_MESSAGE_SIZE);
  fill(new DataView(bytes.buffer));
  return bytes;
}

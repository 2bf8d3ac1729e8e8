/**
 * The shape of a machine's saved value. What is checked here may be wrong in any other way, and the parts must live
 * with that as they do with what a guest says; what is not of this shape does not reach them.
 */

import { MAX_PROCESSORS, PartitionRegisters, VpRegisters } from '../../hypervisor/partition-layout.ts';
import { PROCESSOR_LEVELS } from '../../hypervisor/processor-model.ts';
import { POSTED_COUNT, QUEUE_COUNT } from '../../hypervisor/messaging-layout.ts';
import { MESSAGE_PAYLOAD_MAX, SINT_COUNT } from '../../protocols/tlfs/synic.ts';
import { SCALE_KEY_BYTES, SCALE_TABLE_ENTRIES } from '../../protocols/ndis-oid.ts';
import { MAX_RELID } from '../../protocols/vmbus/message-table.ts';
import { LEDGER_SIZE } from '../../vmbus/ledger.ts';
import { MAX_GPADL_PAGES, MAX_GPADLS } from '../../vmbus/gpadl-table.ts';
import { REQUEST_TABLE_BYTES } from '../../vsp/storage/request-table.ts';
import { UNIT_STATES_BYTES } from '../../vsp/storage/unit-state.ts';
import {
  DISKS_PER_CONTROLLER, MAXIMUM_CONTROLLERS, MAXIMUM_DISKS, MAXIMUM_FORWARDS, MAXIMUM_MEMORY_BYTES, MAXIMUM_NICS,
  MAXIMUM_PROCESSORS, MINIMUM_MEMORY_BYTES,
} from '../description.ts';
import {
  all, BadShape, bytes, count, flag, int32, integer, list, matching, number, oneOf, optional, record, type Shape, text,
  u32, word,
} from './shape.ts';

const PATH_LETTERS = 4096;
const COMMAND_LINE_LETTERS = 65_536;
const LEDGER_WORDS = LEDGER_SIZE / (MAX_RELID + 1) / 4;
/** Above what any driver negotiates. */
const MAXIMUM_PACKETS = 65_536;
const MAXIMUM_PACKET_BYTES = 2 ** 20;
const MIB = 2 ** 20;

const path = text(PATH_LETTERS);
const version = integer(1, 1000);
const guid = matching(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const line = flag;

/** Of the values that a struct decodes to. */
function registersOf(layout: object): Shape {
  const { $size, decode } = layout as { $size: number; decode(view: DataView, base: number): object };
  const sample = decode(new DataView(new ArrayBuffer($size)), 0);
  return record(Object.fromEntries(Object.entries(sample).map(([name, value]: [string, unknown]): [string, Shape] => {
    if (typeof value === 'bigint') return [name, word];
    return [name, value instanceof Uint8Array ? bytes(value.length, value.length) : number];
  })));
}

const unit = all(record({
  kind: optional(oneOf('disk', 'dvd')), path: optional(path), readOnly: optional(flag),
  cache: optional(oneOf('host', 'none')), identity: optional(path),
  limits: optional(record({ operations: optional(number), bytes: optional(number) })),
  address: optional(record({
    controller: integer(0, MAXIMUM_CONTROLLERS - 1), lun: integer(0, DISKS_PER_CONTROLLER - 1),
  })),
}), (value, at) => {
  const { kind, path: file, readOnly } = value as { kind?: string; path?: string; readOnly?: boolean };
  if (kind !== 'dvd' && (file === undefined || readOnly === undefined)) throw new BadShape(at, 'a disk with its image');
});

const configuration = record({
  version,
  memoryBytes: all(integer(MINIMUM_MEMORY_BYTES, MAXIMUM_MEMORY_BYTES), (value, at) => {
    if ((value as number) % MIB !== 0) throw new BadShape(at, 'a whole number of mebibytes');
  }),
  processors: integer(1, Math.min(MAX_PROCESSORS, MAXIMUM_PROCESSORS)),
  processorLevel: optional(oneOf(...PROCESSOR_LEVELS)),
  kernel: optional(path), initrd: optional(path), commandLine: text(COMMAND_LINE_LETTERS),
  rebootInPlace: flag, debugExit: flag,
  disks: list(unit, 0, MAXIMUM_DISKS),
  nics: list(record({
    network: text(64), mac: optional(text(17)), name: optional(text(63)),
    slot: optional(integer(0, MAXIMUM_NICS - 1)),
    forwards: optional(list(record({
      protocol: oneOf('tcp', 'udp'), hostPort: integer(1, 65_535), guestPort: integer(1, 65_535),
    }), 0, MAXIMUM_FORWARDS)),
  }), 0, MAXIMUM_NICS),
  natSubnet: optional(matching(/^[0-9.]{7,15}\/[0-9]{1,2}$/)),
});

const segment = record({ selector: u32, base: word, limit: u32, attributes: u32 });
const table = record({ base: word, limit: u32 });
const engine = record({
  version: oneOf(1), gpr: list(word, 16, 16), rip: word, rflags: word,
  segments: record({
    es: segment, cs: segment, ss: segment, ds: segment, fs: segment, gs: segment, ldtr: segment, tr: segment,
  }),
  gdtr: table, idtr: table, cr0: word, cr2: word, cr3: word, cr4: word, xcr0: word, dr: list(word, 6, 6),
  msrs: list((value, at) => {
    list(() => {}, 2, 2)(value, at);
    const [index, content] = value as readonly unknown[];
    u32(index, at);
    word(content, at);
  }, 0, 64),
  xsave: bytes(576, 4096), halted: flag, interruptShadow: flag, nmiBlocked: flag, nmiPending: optional(flag),
  pendingDebug: optional(u32),
});

const message = record({
  connectionId: u32, processor: u32, messageType: u32, payload: bytes(0, MESSAGE_PAYLOAD_MAX),
});

const partition = record({
  version, timeNs: count, partition: registersOf(PartitionRegisters),
  processors: list(record({ registers: registersOf(VpRegisters), engine }), 1, MAX_PROCESSORS),
  messages: record({
    posted: list(message, 0, POSTED_COUNT),
    queued: list(record({
      processor: integer(0, MAX_PROCESSORS - 1), sint: integer(0, SINT_COUNT - 1),
      messages: list(message, 0, QUEUE_COUNT),
    }), 0, MAX_PROCESSORS * SINT_COUNT),
  }),
});

const chipset = record({
  version: oneOf(1),
  serial: record({
    version: oneOf(1), registers: list(int32, 13, 13), line, loopback: list(int32, 0, 16),
    transmitted: bytes(0, 0x1_0000), received: bytes(0, 0x1000),
  }),
  ioApic: record({
    version: oneOf(1), select: int32, id: int32, lines: int32, entries: list(record({ low: u32, high: u32 }), 24, 24),
  }),
  rtc: record({ version: oneOf(1), index: int32, line, offsetMs: number, cmos: bytes(128, 128) }),
  pit: record({ version: oneOf(1), words: list(int32, 26, 26), ages: list(number, 3, 3) }),
  power: record({
    version: oneOf(1), status: int32, enable: int32, control: int32, resetControl: int32, line, timer: number,
  }),
});

const relid = integer(1, MAX_RELID);
const offer = record({
  relid, classId: guid, instanceId: guid, subChannelIndex: integer(0, 1024),
  phase: oneOf('hidden', 'offered', 'open', 'leaving'), isWanted: flag, targetVp: u32,
  open: optional(record({ ringGpadl: u32, downstreamPage: u32, userData: bytes(0, 256) })),
  ledger: list(int32, 0, LEDGER_WORDS),
});
const gpadl = all(record({
  id: u32, relid, byteCount: u32, byteOffset: integer(0, 4095), received: count,
  pageNumbers: list(count, 1, MAX_GPADL_PAGES),
}), (value, at) => {
  const { byteOffset, byteCount, received, pageNumbers } = value as {
    byteOffset: number; byteCount: number; received: number; pageNumbers: readonly number[];
  };
  if (pageNumbers.length !== Math.ceil((byteOffset + byteCount) / 4096) || received > pageNumbers.length) {
    throw new BadShape(at, 'a list of as many pages as it has bytes');
  }
});

const vmbus = record({
  bus: record({
    version,
    connection: optional(record({ version: u32, processor: integer(0, MAX_PROCESSORS - 1), offersRequested: flag })),
    offers: all(list(offer, 0, MAX_RELID), distinct((each) => (each as { relid: number }).relid)),
    gpadls: all(list(gpadl, 0, MAX_GPADLS), distinct((each) => (each as { id: number }).id)),
    outbox: list(record({
      processor: integer(0, MAX_PROCESSORS - 1), message: bytes(0, MESSAGE_PAYLOAD_MAX),
    }), 0, 2 * MAX_RELID),
  }),
  heartbeat: record({ version, sequence: count, answered: count }),
  shutdown: record({ version }), timeSync: record({ version }), kvp: record({ version }),
  snapshots: record({ version, isFrozen: flag }),
  fileCopy: record({ version }), sockets: record({ version }),
  storage: list(record({
    version, requests: list(bytes(0, REQUEST_TABLE_BYTES), 1, MAX_PROCESSORS),
    units: bytes(UNIT_STATES_BYTES, UNIT_STATES_BYTES), subChannels: integer(0, MAX_PROCESSORS - 1),
  }), 0, MAXIMUM_CONTROLLERS),
});

const allocation = integer(0, MAXIMUM_PACKETS - 1);
const queue = integer(0, MAX_PROCESSORS - 1);
const receive = all(record({
  allocationBytes: integer(0, MAXIMUM_PACKET_BYTES),
  transfers: list(list(allocation, 1, MAXIMUM_PACKETS), 0, MAXIMUM_PACKETS),
  pending: list(
    list(record({ allocation, bytes: integer(0, MAXIMUM_PACKET_BYTES) }), 0, MAXIMUM_PACKETS), 1, MAX_PROCESSORS),
  controls: list(bytes(0, MAXIMUM_PACKET_BYTES), 0, 1024),
}), (value, at) => {
  const { transfers, pending } = value as {
    transfers: readonly (readonly number[])[]; pending: readonly (readonly { readonly allocation: number }[])[];
  };
  distinct((each) => each)([...transfers.flat(), ...pending.flat().map((each) => each.allocation)], at);
});
const network = record({
  version, nvspVersion: u32, frameBytes: integer(64, 65_536), receiveGpadl: optional(u32), sendGpadl: optional(u32),
  subChannels: integer(0, MAX_PROCESSORS - 1),
  queues: list(record({
    isOpen: flag,
    unsent: list(record({ transactionLow: u32, transactionHigh: u32, payload: bytes(0, 4096) }), 0, MAXIMUM_PACKETS),
  }), 1, MAX_PROCESSORS),
  adapter: record({
    isInitialized: flag, packetFilter: u32, address: bytes(6, 6), receiveChecksums: flag,
    toldConnected: optional(flag), knowsCoalescing: flag, coalescesIpv4: flag, coalescesIpv6: flag,
    scaling: record({
      isOn: flag, hashes: u32, key: bytes(SCALE_KEY_BYTES, SCALE_KEY_BYTES),
      table: powerOfTwoBytes(SCALE_TABLE_ENTRIES),
    }),
  }),
  receive,
  transmit: record({
    current: optional(record({ queue, low: u32, high: u32, rest: bytes(0, MAXIMUM_PACKET_BYTES) })),
    waiting: list(record({
      queue, type: u32, transactionLow: u32, transactionHigh: u32, dataOffset: u32, length: u32,
      bytes: bytes(0, MAXIMUM_PACKET_BYTES),
    }), 0, MAXIMUM_PACKETS),
  }),
  statistics: record({
    sentFrames: count, sentBytes: count, receivedFrames: count, receivedBytes: count, drops: record({}),
  }),
});

/** A table that is looked up in by the low bits of a number. */
function powerOfTwoBytes(most: number): Shape {
  return all(bytes(1, most), (value, at) => {
    const { length } = value as Uint8Array;
    if ((length & (length - 1)) !== 0) throw new BadShape(at, 'a table whose length is a power of two');
  });
}

/** No two of a list are the same by `key`. */
function distinct(key: (each: unknown) => unknown): Shape {
  return (value, at) => {
    const keys = (value as readonly unknown[]).map(key);
    if (new Set(keys).size !== keys.length) throw new BadShape(at, 'a list without anything twice');
  };
}

const parts = record({
  version: oneOf(3), savedAt: text(40), configuration, partition, chipset, vmbus,
  network: list(network, 0, MAXIMUM_NICS),
});

/** Parts that are each right must also fit each other. */
export const MACHINE_SHAPE: Shape = all(parts, (value, at) => {
  const { configuration: { processors, nics }, partition: saved, network: states } = value as {
    configuration: { processors: number; nics: readonly unknown[] };
    partition: { processors: readonly unknown[] }; network: readonly unknown[];
  };
  if (saved.processors.length !== processors) throw new BadShape(`${at}partition.processors`, 'one for each processor');
  if (states.length !== nics.length) throw new BadShape(`${at}network`, 'one for each NIC');
});

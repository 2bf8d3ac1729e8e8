/**
 * Receive-side scaling: which of the guest's channels a frame goes to, by Toeplitz's hash over its addresses and TCP
 * ports, a key and a table that the guest gives [Windows SDK ntddndis.h, NDIS_RECEIVE_SCALE_PARAMETERS; Microsoft,
 * "RSS hashing types"]. What has no TCP or UDP header is not hashed and takes the first channel.
 */
import {
  NdisObjectType, NdisScaleCapabilities, NdisScaleParameters, SCALE_CAPABILITY_FLAGS, SCALE_KEY_BYTES,
  SCALE_TABLE_ENTRIES, ScaleFlag, ScaleHash,
} from '../../protocols/ndis-oid.ts';
import { RndisStatus } from '../../protocols/rndis.ts';
import { FrameHeaders } from './frame.ts';

/** Two IPv6 addresses and two ports. */
const MAX_INPUT = 36;
const IPV4_ADDRESSES = 12;
const IPV6_ADDRESSES = 8;
const PORT_BYTES = 4;
const ENTRY = 4;

export interface ScalingState {
  readonly isOn: boolean;
  readonly hashes: number;
  readonly key: Uint8Array;
  /** A channel for each remainder of a hash. */
  readonly table: Uint8Array;
}

export class ReceiveScaling {
  readonly #queueCount: number;
  readonly #headers = new FrameHeaders();
  #isOn = false;
  #hashes = 0;
  #key: Uint8Array = new Uint8Array(SCALE_KEY_BYTES);
  #table: Uint8Array = new Uint8Array(SCALE_TABLE_ENTRIES);
  /** For each byte of the input and each value of it, what it adds to the hash. */
  readonly #shares = new Int32Array(MAX_INPUT * 256);

  /** @param queueCount channels that the guest may have; with one there is nothing to scale */
  constructor(queueCount: number) {
    this.#queueCount = queueCount;
  }

  /** What the guest is told; undefined when there is one channel. */
  capabilities(): Uint8Array | undefined {
    if (this.#queueCount < 2) return undefined;
    const bytes = new Uint8Array(NdisScaleCapabilities.$size);
    NdisScaleCapabilities.encode(new DataView(bytes.buffer), 0, {
      type: NdisObjectType.ScaleCapabilities, revision: 2, size: bytes.length, flags: SCALE_CAPABILITY_FLAGS,
      interruptMessages: this.#queueCount, receiveQueues: this.#queueCount, tableEntries: SCALE_TABLE_ENTRIES,
    });
    return bytes;
  }

  /** Takes the guest's parameters, all of them or none; an RNDIS status. */
  set(view: DataView): number {
    if (this.#queueCount < 2) return RndisStatus.NotSupported;
    if (view.byteLength < NdisScaleParameters.$size) return RndisStatus.InvalidLength;
    const { type, flags, hash, tableBytes, tableOffset, keyBytes, keyOffset } = NdisScaleParameters.decode(view, 0);
    if (type !== NdisObjectType.ScaleParameters) return RndisStatus.InvalidData;
    if ((flags & ScaleFlag.Disable) !== 0) {
      this.#isOn = false;
      return RndisStatus.Success;
    }
    const isTableKept = (flags & ScaleFlag.TableUnchanged) !== 0;
    const isKeyKept = (flags & ScaleFlag.KeyUnchanged) !== 0;
    const table = isTableKept ? this.#table : this.#readTable(view, tableOffset, tableBytes);
    const isKeyThere = isKeyKept || (keyBytes === SCALE_KEY_BYTES && keyOffset + keyBytes <= view.byteLength);
    if (table === undefined || !isKeyThere) return RndisStatus.InvalidData;
    if (!isKeyKept) this.#setKey(new Uint8Array(view.buffer, view.byteOffset + keyOffset, keyBytes).slice());
    this.#table = table;
    if ((flags & ScaleFlag.HashUnchanged) === 0) this.#hashes = hash;
    this.#isOn = true;
    return RndisStatus.Success;
  }

  // Hot path: one a frame to the guest, when it has several channels.
  /** The channel for a frame. */
  queueOf(bytes: Uint8Array, offset: number, length: number): number {
    if (!this.#isOn) return 0;
    const headers = this.#headers;
    if (!headers.find(bytes, offset, length)) return 0;
    const { isIpv6, isTcp, ip, transport } = headers;
    const both = isIpv6 ? ScaleHash.TcpIpv6 : ScaleHash.TcpIpv4;
    const addresses = isIpv6 ? ScaleHash.Ipv6 : ScaleHash.Ipv4;
    const hasPorts = isTcp && (this.#hashes & both) !== 0;
    if (!hasPorts && (this.#hashes & addresses) === 0) return 0;
    const [at, count] = isIpv6 ? [ip + IPV6_ADDRESSES, 32] : [ip + IPV4_ADDRESSES, 8];
    let hash = this.#hash(bytes, at, count, 0);
    if (hasPorts) hash ^= this.#hash(bytes, transport, PORT_BYTES, count);
    return this.#table[hash & (this.#table.length - 1)] as number;
  }

  /** The guest's driver is gone. */
  reset(): void {
    this.#isOn = false;
    this.#hashes = 0;
    this.#setKey(new Uint8Array(SCALE_KEY_BYTES));
    this.#table = new Uint8Array(SCALE_TABLE_ENTRIES);
  }

  saveState(): ScalingState {
    return { isOn: this.#isOn, hashes: this.#hashes, key: this.#key.slice(), table: this.#table.slice() };
  }

  restoreState({ isOn, hashes, key, table }: ScalingState): void {
    this.#setKey(key.slice());
    this.#table = table.map((queue) => Math.min(queue, this.#queueCount - 1));
    this.#hashes = hashes;
    this.#isOn = isOn;
  }

  /** Undefined: a length that is no power of two, or a channel that there cannot be. */
  #readTable(view: DataView, at: number, length: number): Uint8Array | undefined {
    const count = length / ENTRY;
    const isPower = Number.isInteger(count) && count > 0 && (count & (count - 1)) === 0;
    if (!isPower || count > SCALE_TABLE_ENTRIES || at + length > view.byteLength) return undefined;
    const entries = Array.from({ length: count }, (_, i) => view.getUint32(at + i * ENTRY, true));
    return entries.every((queue) => queue < this.#queueCount) ? Uint8Array.from(entries) : undefined;
  }

  #hash(bytes: Uint8Array, at: number, count: number, position: number): number {
    let hash = 0;
    for (let i = 0; i < count; i++) {
      hash ^= this.#shares[((position + i) << 8) | (bytes[at + i] as number)] as number;
    }
    return hash;
  }

  /** Each bit of the input that is set adds the 32 bits of the key that begin at its place. */
  #setKey(key: Uint8Array): void {
    this.#key = key;
    const view = new DataView(key.buffer, key.byteOffset, key.length);
    for (let position = 0; position < MAX_INPUT; position++) {
      const [word, next] = [view.getUint32(position), key[position + 4] as number];
      for (let value = 1; value < 256; value++) {
        let share = 0;
        for (let bit = 0; bit < 8; bit++) {
          if ((value & (0x80 >>> bit)) !== 0) share ^= (word << bit) | (next >>> (8 - bit));
        }
        this.#shares[(position << 8) | value] = share;
      }
    }
  }
}

/**
 * The network endpoint port: one end of a layer-2 link. A network service holds one for its guest's NIC; whatever is on
 * the other side (a switch port, a NAT network, a test) holds the other end.
 *
 * Frames are whole Ethernet frames without FCS and without VLAN tag stripping. They are passed as a range of a buffer
 * that belongs to the caller and is valid only during the call: whoever keeps a frame copies it. Both calls are
 * synchronous and never throw.
 */

/** What the two ends agree on besides the bytes. */
export const FrameOffload = {
  /** The IPv4 header checksum was verified, or need not be. */
  Ipv4ChecksumGood: 0x1,
  /** The TCP or UDP checksum was verified. */
  TransportChecksumGood: 0x2,
  /**
   * The TCP or UDP checksum field holds only the pseudo-header's sum: whoever puts the frame on a wire completes it.
   */
  TransportChecksumPartial: 0x4,
} as const;

export interface FrameSink {
  /**
   * Takes `length` bytes at `offset` of `buffer`. False when there is no room now: the frame was not taken, and
   * `onWritable` of the endpoint is called when it is worth trying again.
   * @param offload bits of FrameOffload
   * @param segmentBytes for a TCP segment larger than the MTU: the payload bytes of each piece it stands for, otherwise
   * 0
   */
  deliver(buffer: Uint8Array, offset: number, length: number, offload: number, segmentBytes: number): boolean;
}

export interface NetworkEndpoint extends FrameSink {
  /** Where frames from the other end go. Until it is set they are dropped. */
  setReceiver(receiver: FrameSink, onWritable: () => void): void;
  /** The other end is there and willing. */
  readonly isConnected: boolean;
  /** Called on each change of `isConnected`. */
  onConnectionChange: (() => void) | undefined;
  /**
   * Called after a run of `deliver` calls, so that the other end can act on them as a batch. Also called, with no run
   * before it, when the receiver has room again after it took no frame: what waits for it is worth trying again.
   */
  flush(): void;
  close(): void;
}

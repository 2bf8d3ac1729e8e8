/**
 * The stream between a NIC and the switch process [Partout docs/switch.md]: messages of a header and a body,
 * little-endian. A body is JSON (control), a run of frame records, or bytes of a capture file. The form is our own; a
 * peer of another version is told so and let go.
 */
import { struct, u16, u32, u8 } from '../wire/struct.ts';

export const SWITCH_LINK_VERSION = 1;

/** `bodyBytes` do not count the header. `count` is of frame records, else 0. */
export const LinkMessage = struct('link_message', 8, { bodyBytes: u32, kind: u8, reserved: u8, count: u16 });

export const LinkMessageKind = { Control: 1, Frames: 2, Capture: 3 } as const;

/** Before each frame, which is padded to a multiple of eight bytes. `offload` are bits of FrameOffload. */
export const FrameRecord = struct('frame_record', 8, { frameBytes: u32, segmentBytes: u16, offload: u8, reserved: u8 });

export const FRAME_ALIGNMENT = 8;
/** The longest body; one frame of any size fits it. */
export const MAX_LINK_BODY_BYTES = 0x4_0000;
export const MAX_CONTROL_BODY_BYTES = 0x1_0000;

/** What a client of the switch process says first on its stream, and what it gets back. Read with care: see server. */
import { ERROR_CODES, type ErrorCode, OperatingError, usage } from '../../kit/errors.ts';
import { SWITCH_LINK_VERSION } from '../../protocols/switch-link.ts';
import type { CapturePoint } from '../switch/extension.ts';
import { checkNicName, type NicSettings, readNicSettings } from './configuration.ts';

/** A NIC wants to be on a switch: frames follow. */
export interface AttachRequest {
  readonly kind: 'attach';
  readonly switch: string;
  readonly nic: string;
  /** 48 bits. */
  readonly mac: number;
  /** What its owner wants of it; the switch's own configuration goes before. */
  readonly settings: Partial<NicSettings>;
}

export interface CaptureRequest {
  readonly kind: 'capture';
  readonly switch: string;
  /** Undefined: all of them. */
  readonly nic: string | undefined;
  readonly points: readonly CapturePoint[];
}

/** Answered with one value. */
export type Query =
  | { readonly kind: 'status'; readonly switch: string }
  | { readonly kind: 'trace'; readonly switch: string; readonly nic: string; readonly frame: string }
  /** The files of a switch have changed. */
  | { readonly kind: 'reload'; readonly switch: string }
  | { readonly kind: 'process' };

export type ClientRequest = AttachRequest | CaptureRequest | Query;

export type ServerReply =
  | { readonly kind: 'attached' }
  /** Of a NIC that is attached: the switch lets frames through or does not. */
  | { readonly kind: 'link'; readonly isUp: boolean }
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string };

export const CAPTURE_POINTS: readonly CapturePoint[] = ['ingress', 'egress', 'drop'];
const MAX_FRAME_TEXT = 4096;

/** With the version that the client speaks. */
export function requestText(request: ClientRequest): object {
  return { version: SWITCH_LINK_VERSION, ...request };
}

/** @throws OperatingError for a request that makes no sense. */
export function readRequest(message: unknown): ClientRequest {
  const value = message as Record<string, unknown>;
  if (value['version'] !== SWITCH_LINK_VERSION) {
    throw usage(`the switch process speaks version ${SWITCH_LINK_VERSION} of its protocol: end it, and it starts anew`);
  }
  const kind = text(value, 'kind');
  switch (kind) {
    case 'attach': {
      const mac = value['mac'];
      if (typeof mac !== 'number' || !Number.isSafeInteger(mac) || mac < 0 || mac >= 2 ** 48) throw usage('no MAC');
      const nic = checkNicName(text(value, 'nic'));
      return { kind, switch: text(value, 'switch'), nic, mac, settings: readNicSettings(value['settings'] ?? {}) };
    }
    case 'capture': {
      const given = Array.isArray(value['points']) ? value['points'] as unknown[] : [];
      const points = CAPTURE_POINTS.filter((point) => given.includes(point));
      return { kind, switch: text(value, 'switch'), nic: optionalText(value, 'nic'), points };
    }
    case 'trace': {
      const frame = text(value, 'frame');
      if (!/^([0-9a-f]{2})*$/i.test(frame)) throw usage('a frame is hexadecimal bytes');
      return { kind, switch: text(value, 'switch'), nic: text(value, 'nic'), frame };
    }
    case 'status':
    case 'reload': return { kind, switch: text(value, 'switch') };
    case 'process': return { kind };
    default: throw usage(`there is no request ${kind.slice(0, 40)}`);
  }
}

/** @throws OperatingError when it is a refusal. */
export function readReply(message: unknown): Exclude<ServerReply, { kind: 'refused' }> {
  const reply = message as ServerReply;
  if (reply.kind !== 'refused') return reply;
  throw new OperatingError(Object.hasOwn(ERROR_CODES, reply.code) ? reply.code : 'internal', String(reply.message));
}

function text(value: Record<string, unknown>, name: string): string {
  const given = optionalText(value, name);
  if (given === undefined) throw usage(`the request has no ${name}`);
  return given;
}

function optionalText(value: Record<string, unknown>, name: string): string | undefined {
  const given = value[name];
  return typeof given === 'string' && given.length <= MAX_FRAME_TEXT ? given : undefined;
}

/**
 * The gateway as a name server [RFC 1035, 4]: answers for the VMs of this network (`NAME` and `NAME.<domain>`) itself
 * and passes every other query on to the host's resolvers as it is. Each query leaves from a socket and with an
 * identifier of its own, so that its answer is hard to forge [RFC 5452].
 */
import type { Timer, Timers } from '../../kit/timers.ts';
import {
  DNS_CLASS_INTERNET, DNS_OPERATION_MASK, DNS_PORT, DnsFlag, DnsHeader, DnsResult, DnsType,
} from '../../protocols/dns.ts';
import type { Counters } from '../counters.ts';
import type { HostNetwork } from './host-network.ts';

export const MAXIMUM_QUERIES = 256;
const QUERY_TIMEOUT_MS = 5000;
const MAXIMUM_NAME_BYTES = 255;
const LOCAL_TTL_SECONDS = 10;
const RECORD_HEAD_BYTES = 12;

export interface DnsProxyOptions {
  readonly timers: Timers;
  readonly counters: Counters;
  readonly host: HostNetwork;
  readonly identifier: () => number;
  readonly domain: string;
  /** The address of a VM by its name in lower case; 0: known and without an address; undefined: no VM. */
  readonly lookup: (name: string) => number | undefined;
  /** Its IPv6 address, if it has one. */
  readonly lookupIpv6: (name: string) => Uint8Array | undefined;
}

interface Question {
  readonly name: string;
  readonly type: number;
  readonly end: number;
}

interface LocalRecord {
  readonly type: number;
  readonly data: Uint8Array;
}

export class DnsProxy {
  readonly #options: DnsProxyOptions;
  readonly #pending = new Set<() => void>();
  #turn = 0;

  constructor(options: DnsProxyOptions) {
    this.#options = options;
  }

  /** Calls `reply` once, now or later, or never. */
  query(message: Uint8Array, reply: (answer: Uint8Array) => void): void {
    const question = readQuestion(message);
    if (question === undefined) return this.#options.counters.add('dns-malformed');
    const local = this.#localName(question.name);
    const ip = local === undefined ? undefined : this.#options.lookup(local);
    if (local !== undefined && ip !== undefined) {
      return reply(localAnswer(message, question, this.#records(local, ip, question)));
    }
    this.#forward(message, reply);
  }

  /** What a local name has of the type that is asked for. */
  #records(name: string, ip: number, { type }: Question): LocalRecord[] {
    const records: LocalRecord[] = [];
    if (ip !== 0 && (type === DnsType.A || type === DnsType.Any)) {
      records.push({ type: DnsType.A, data: Uint8Array.of(ip >>> 24, ip >>> 16, ip >>> 8, ip) });
    }
    const data = type === DnsType.Aaaa || type === DnsType.Any ? this.#options.lookupIpv6(name) : undefined;
    if (data !== undefined) records.push({ type: DnsType.Aaaa, data });
    return records;
  }

  #localName(name: string): string | undefined {
    if (!name.includes('.')) return name;
    const suffix = `.${this.#options.domain}`;
    return name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
  }

  #forward(message: Uint8Array, reply: (answer: Uint8Array) => void): void {
    const { counters, host, timers } = this.#options;
    const servers = host.resolvers().map(parseServer);
    if (servers.length === 0 || this.#pending.size >= MAXIMUM_QUERIES) {
      counters.add(servers.length === 0 ? 'dns-no-resolver' : 'dns-table-full');
      return reply(failure(message));
    }
    const server = servers[this.#turn % servers.length]!;
    const query = message.slice();
    const view = new DataView(query.buffer);
    const original = DnsHeader.identifier.get(view, 0);
    const identifier = this.#options.identifier() & 0xffff;
    DnsHeader.identifier.set(view, 0, identifier);
    const socket = host.datagrams(server.address.includes(':') ? 6 : 4, (payload, address, port) => {
      if (address !== server.address || port !== server.port || payload.length < DnsHeader.$size) return;
      const answer = payload.slice();
      const answerView = new DataView(answer.buffer);
      if (DnsHeader.identifier.get(answerView, 0) !== identifier) return;
      finish();
      DnsHeader.identifier.set(answerView, 0, original);
      reply(answer);
    });
    const timer: Timer = timers.after(QUERY_TIMEOUT_MS, () => {
      // The guest asks again by itself: the next resolver gets that.
      this.#turn++;
      counters.add('dns-timed-out');
      finish();
    });
    const finish = (): void => {
      timer.cancel();
      socket.close();
      this.#pending.delete(finish);
    };
    this.#pending.add(finish);
    socket.send(query, server.address, server.port);
  }

  close(): void {
    for (const finish of this.#pending) finish();
  }
}

/** An entry of the host's resolver list: `1.2.3.4`, `1.2.3.4:5353`, `::1` or `[::1]:5353`. */
export function parseServer(text: string): { readonly address: string; readonly port: number } {
  const bracketed = /^\[(.+)\]:(\d+)$/.exec(text) ?? /^([^:]+):(\d+)$/.exec(text);
  if (bracketed === null) return { address: text, port: DNS_PORT };
  return { address: bracketed[1]!, port: Number(bracketed[2]) };
}

/** The one question of a query; undefined for anything else. */
function readQuestion(message: Uint8Array): Question | undefined {
  if (message.length < DnsHeader.$size) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const { flags, questions } = DnsHeader.decode(view, 0);
  if ((flags & (DnsFlag.Response | DNS_OPERATION_MASK)) !== 0 || questions !== 1) return undefined;
  const labels: string[] = [];
  let at = DnsHeader.$size;
  for (;;) {
    const size = message[at];
    if (size === undefined || size > 63) return undefined;
    at++;
    if (size === 0) break;
    if (at + size > message.length || at - DnsHeader.$size > MAXIMUM_NAME_BYTES) return undefined;
    labels.push(String.fromCharCode(...message.subarray(at, at + size)).toLowerCase());
    at += size;
  }
  if (at + 4 > message.length) return undefined;
  return { name: labels.join('.'), type: view.getUint16(at), end: at + 4 };
}

function localAnswer(message: Uint8Array, question: Question, records: readonly LocalRecord[]): Uint8Array {
  const bytes = records.reduce((sum, { data }) => sum + RECORD_HEAD_BYTES + data.length, question.end);
  const answer = new Uint8Array(bytes);
  answer.set(message.subarray(0, question.end));
  const view = new DataView(answer.buffer);
  DnsHeader.encode(view, 0, {
    flags: DnsFlag.Response | DnsFlag.Authoritative | DnsFlag.RecursionAvailable
      | (DnsHeader.flags.get(view, 0) & DnsFlag.RecursionDesired) | DnsResult.Success,
    answers: records.length, authorities: 0, additional: 0,
  });
  let at = question.end;
  for (const { type, data } of records) {
    // A pointer to the question's name, then type, class, time to live and the address.
    view.setUint16(at, 0xc000 | DnsHeader.$size);
    view.setUint16(at + 2, type);
    view.setUint16(at + 4, DNS_CLASS_INTERNET);
    view.setUint32(at + 6, LOCAL_TTL_SECONDS);
    view.setUint16(at + 10, data.length);
    answer.set(data, at + RECORD_HEAD_BYTES);
    at += RECORD_HEAD_BYTES + data.length;
  }
  return answer;
}

function failure(message: Uint8Array): Uint8Array {
  const answer = message.slice();
  const view = new DataView(answer.buffer);
  const flags = DnsHeader.flags.get(view, 0) | DnsFlag.Response | DnsFlag.RecursionAvailable | DnsResult.ServerFailure;
  DnsHeader.flags.set(view, 0, flags);
  return answer;
}

/**
 * Answers clients of DHCP for IPv6 [RFC 8415, 18.3]. It keeps nothing: an address follows from the hardware address
 * that the question came from, and is on no other NIC.
 */
import {
  Dhcpv6Message, Dhcpv6Option, Dhcpv6OptionHeader, Dhcpv6Type, IdentityAddress, IdentityAssociation,
} from '../../protocols/dhcpv6.ts';
import { writeMac } from '../packet/addresses.ts';
import type { Ipv6Network } from './ipv6-network.ts';
import { PREFIX_BYTES } from './ipv6-network.ts';
import { domainName } from './router-advertisement.ts';

const LEASE_SECONDS = 3600;
/** Identifiers of this length are the longest [RFC 8415, 11.1]. */
const MAXIMUM_IDENTIFIER_BYTES = 130;
/** The interface identifier of an address that was given: this, and the hardware address. */
const GIVEN = 0x000d;
const DUID_LINK = [0, 3, 0, 1];
const SUCCESS = [0, 0];

export interface Dhcpv6ServerOptions {
  readonly network: Ipv6Network;
  readonly mac: number;
  readonly domain: string;
}

interface Question {
  readonly client: Uint8Array | undefined;
  readonly server: Uint8Array | undefined;
  /** The identity association for which an address is wanted. */
  readonly association: number | undefined;
  readonly isRapid: boolean;
}

export class Dhcpv6Server {
  readonly #network: Ipv6Network;
  readonly #domain: Uint8Array;
  readonly #identifier = Uint8Array.of(...DUID_LINK, 0, 0, 0, 0, 0, 0);

  constructor({ network, mac, domain }: Dhcpv6ServerOptions) {
    this.#network = network;
    this.#domain = domainName(domain);
    writeMac(this.#identifier, DUID_LINK.length, mac);
  }

  /** The answer to a message of the NIC with that hardware address; undefined when it gets none. */
  answer(message: Uint8Array, mac: number): Uint8Array | undefined {
    if (message.length < Dhcpv6Message.$size) return undefined;
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    const head = Dhcpv6Message.typeAndTransaction.get(view, 0);
    const type = head >>> 24;
    const question = readQuestion(message, view);
    if (question === undefined || !this.#isForUs(type, question)) return undefined;
    const isQuick = type === Dhcpv6Type.Solicit && question.isRapid;
    const replyType = type === Dhcpv6Type.Solicit && !isQuick ? Dhcpv6Type.Advertise : Dhcpv6Type.Reply;
    const options = [option(Dhcpv6Option.ServerId, this.#identifier)];
    if (question.client !== undefined) options.push(option(Dhcpv6Option.ClientId, question.client));
    if (isQuick) options.push(option(Dhcpv6Option.RapidCommit, []));
    if (givesAddress(type) && question.association !== undefined) {
      options.push(option(Dhcpv6Option.NonTemporary, this.#address(question.association, mac)));
    } else if (type !== Dhcpv6Type.InformationRequest) options.push(option(Dhcpv6Option.Status, SUCCESS));
    options.push(option(Dhcpv6Option.Resolvers, this.#network.gateway), option(Dhcpv6Option.Domains, this.#domain));
    const reply = new Uint8Array(Dhcpv6Message.$size + options.reduce((sum, { length }) => sum + length, 0));
    Dhcpv6Message.typeAndTransaction.set(new DataView(reply.buffer), 0, (replyType * 0x100_0000) + (head & 0xff_ffff));
    let at = Dhcpv6Message.$size;
    for (const each of options) {
      reply.set(each, at);
      at += each.length;
    }
    return reply;
  }

  #isForUs(type: number, { client, server }: Question): boolean {
    const isOurs = server !== undefined && Buffer.compare(server, this.#identifier) === 0;
    switch (type) {
      case Dhcpv6Type.Solicit: case Dhcpv6Type.Confirm: case Dhcpv6Type.Rebind:
        return client !== undefined && server === undefined;
      case Dhcpv6Type.Request: case Dhcpv6Type.Renew: case Dhcpv6Type.Release: case Dhcpv6Type.Decline:
        return client !== undefined && isOurs;
      case Dhcpv6Type.InformationRequest: return server === undefined || isOurs;
      default: return false;
    }
  }

  /** An association with its one address. */
  #address(id: number, mac: number): Uint8Array {
    const address = this.#network.prefix.slice();
    address[PREFIX_BYTES + 1] = GIVEN;
    writeMac(address, PREFIX_BYTES + 2, mac);
    const given = new Uint8Array(IdentityAddress.$size);
    IdentityAddress.encode(new DataView(given.buffer), 0, {
      address, preferredSeconds: LEASE_SECONDS, validSeconds: LEASE_SECONDS,
    });
    const inner = option(Dhcpv6Option.Address, given);
    const value = new Uint8Array(IdentityAssociation.$size + inner.length);
    IdentityAssociation.encode(new DataView(value.buffer), 0, {
      id, renewSeconds: LEASE_SECONDS / 2, rebindSeconds: LEASE_SECONDS * 4 / 5,
    });
    value.set(inner, IdentityAssociation.$size);
    return value;
  }
}

function givesAddress(type: number): boolean {
  return type === Dhcpv6Type.Solicit || type === Dhcpv6Type.Request || type === Dhcpv6Type.Renew
    || type === Dhcpv6Type.Rebind;
}

/** Undefined when the options do not fit the message. */
function readQuestion(message: Uint8Array, view: DataView): Question | undefined {
  let client: Uint8Array | undefined;
  let server: Uint8Array | undefined;
  let association: number | undefined;
  let isRapid = false;
  for (let at = Dhcpv6Message.$size; at < message.length;) {
    if (message.length - at < Dhcpv6OptionHeader.$size) return undefined;
    const { code, length } = Dhcpv6OptionHeader.decode(view, at);
    const from = at + Dhcpv6OptionHeader.$size;
    if (length > message.length - from) return undefined;
    const value = message.subarray(from, from + length);
    const isIdentifier = code === Dhcpv6Option.ClientId || code === Dhcpv6Option.ServerId;
    if (isIdentifier && (length < 2 || length > MAXIMUM_IDENTIFIER_BYTES)) return undefined;
    if (code === Dhcpv6Option.ClientId) client = value;
    if (code === Dhcpv6Option.ServerId) server = value;
    if (code === Dhcpv6Option.RapidCommit) isRapid = true;
    if (code === Dhcpv6Option.NonTemporary && length >= IdentityAssociation.$size) {
      association ??= IdentityAssociation.id.get(view, from);
    }
    at = from + length;
  }
  return { client, server, association, isRapid };
}

function option(code: number, value: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(Dhcpv6OptionHeader.$size + value.length);
  Dhcpv6OptionHeader.encode(new DataView(bytes.buffer), 0, { code, length: value.length });
  bytes.set(value, Dhcpv6OptionHeader.$size);
  return bytes;
}

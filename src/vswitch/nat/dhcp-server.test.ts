import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DHCP_MAGIC, DhcpMessage, DhcpOption, DhcpType } from '../../protocols/dhcp.ts';
import { ipv4Text, parseIpv4, writeMac } from '../packet/addresses.ts';
import { DhcpServer, MAXIMUM_LEASES_PER_PORT } from './dhcp-server.ts';
import { chooseSubnet, overlaps, parseSubnet } from './subnet.ts';

const ALPHA = {};
const BETA = {};

function server(): DhcpServer {
  const subnet = parseSubnet('10.9.8.0/24');
  return new DhcpServer({ subnet, gateway: subnet.base + 1, domain: 'mshome.net', mtu: 1500, wallMs: () => 0 });
}

function request(type: number, mac: number, requested = 0): Uint8Array {
  const message = new Uint8Array(300);
  const hardware = new Uint8Array(16);
  writeMac(hardware, 0, mac);
  const view = new DataView(message.buffer);
  DhcpMessage.encode(view, 0, {
    operation: 1, hardwareType: 1, hardwareSize: 6, transaction: 0x1234, clientHardware: hardware, magic: DHCP_MAGIC,
  });
  message.set([DhcpOption.MessageType, 1, type, DhcpOption.RequestedAddress, 4], 240);
  view.setUint32(245, requested);
  message[249] = DhcpOption.End;
  return message;
}

function ask(dhcp: DhcpServer, type: number, mac: number, requested = 0, port: object = ALPHA) {
  const bytes = new Uint8Array(600);
  const reply = dhcp.answer(request(type, mac, requested), bytes, port);
  if (reply === undefined) return undefined;
  return { ...reply, type: bytes[242], yours: DhcpMessage.yourIp.get(new DataView(bytes.buffer), 0) };
}

test('an address is offered, acknowledged, and the same the next time', () => {
  const dhcp = server();
  const offer = ask(dhcp, DhcpType.Discover, 0x15_5d00_0001);
  assert.equal(offer?.type, DhcpType.Offer);
  assert.equal(ipv4Text(offer.yours), '10.9.8.2');
  assert.equal(ask(dhcp, DhcpType.Request, 0x15_5d00_0001, offer.yours)?.type, DhcpType.Ack);
  assert.equal(ask(dhcp, DhcpType.Discover, 0x15_5d00_0001)?.yours, offer.yours);
  assert.equal(ipv4Text(ask(dhcp, DhcpType.Discover, 0x15_5d00_0002)!.yours), '10.9.8.3');
});

test('an address of another network or of somebody else is refused', () => {
  const dhcp = server();
  const mine = ask(dhcp, DhcpType.Discover, 1)!.yours;
  assert.equal(ask(dhcp, DhcpType.Request, 2, parseIpv4('10.1.1.5'))?.type, DhcpType.Nak);
  assert.equal(ask(dhcp, DhcpType.Request, 3, mine)?.type, DhcpType.Nak);
  assert.equal(ask(dhcp, DhcpType.Request, 1, mine, BETA)?.type, DhcpType.Nak, 'from another port');
});

test('a guest that makes up hardware addresses keeps a few leases only', () => {
  const dhcp = server();
  for (let mac = 1; mac < 2000; mac++) ask(dhcp, DhcpType.Discover, mac);
  const held = Array.from({ length: 254 }, (_, index) => dhcp.leaseOf(parseIpv4('10.9.8.1')! + index))
    .filter((lease) => lease !== undefined);
  assert.equal(held.length, MAXIMUM_LEASES_PER_PORT);
  assert.ok(ask(dhcp, DhcpType.Discover, 0xbeef, 0, BETA) !== undefined, 'the neighbour still gets one');
});

test('a range is chosen that the host does not use', () => {
  const first = chooseSubnet([]);
  const second = chooseSubnet([first, parseSubnet('172.16.0.0/12')]);
  assert.ok(!overlaps(first, second));
  assert.ok(!overlaps(parseSubnet('172.16.0.0/12'), second));
  assert.throws(() => chooseSubnet([parseSubnet('10.0.0.0/8'), parseSubnet('172.0.0.0/8'), parseSubnet('192.0.0.0/8')]),
    /name one yourself/);
  assert.throws(() => parseSubnet('10.0.0.0/31'), /prefix of 8 to 30/);
});

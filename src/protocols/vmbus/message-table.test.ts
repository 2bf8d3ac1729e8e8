import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { describeMessage } from './describe.ts';
import { messagePage } from './message-page.ts';
import {
  CHANNEL_MESSAGES, ChannelMessageHeader, channelMessage, type MessageRow, messageRow,
} from './message-table.ts';
import { PacketDescriptor, PipeHeader, RingControl } from './ring-layout.ts';

/** Sizes with the header, as Linux has them: a guest drops a shorter message. */
const SIZES: Readonly<Record<string, number>> = {
  OFFERCHANNEL: 196, RESCIND_CHANNELOFFER: 12, REQUESTOFFERS: 8, ALLOFFERS_DELIVERED: 8, OPENCHANNEL: 148,
  OPENCHANNEL_RESULT: 20, CLOSECHANNEL: 12, GPADL_HEADER: 28, GPADL_BODY: 16, GPADL_CREATED: 20, GPADL_TEARDOWN: 16,
  GPADL_TORNDOWN: 12, RELID_RELEASED: 12, INITIATE_CONTACT: 40, VERSION_RESPONSE: 16, UNLOAD: 8, UNLOAD_RESPONSE: 8,
  TL_CONNECT_REQUEST: 40, MODIFYCHANNEL: 16, TL_CONNECT_RESULT: 44, MODIFYCHANNEL_RESPONSE: 16,
};

test('each message has the size that a guest expects, and fits into a SynIC message', () => {
  const rows: readonly MessageRow[] = Object.values(CHANNEL_MESSAGES);
  assert.equal(rows.length, Object.keys(SIZES).length);
  for (const row of rows) {
    const size = ChannelMessageHeader.$size + row.body.$size;
    assert.equal(size, SIZES[row.name], row.name);
    assert.ok(size + row.tail <= 240, row.name);
    assert.equal(messageRow(row.number), row);
  }
});

test('fields lie where the protocol has them', () => {
  const offer = CHANNEL_MESSAGES.OfferChannel.body;
  const open = CHANNEL_MESSAGES.OpenChannel.body;
  const contact = CHANNEL_MESSAGES.InitiateContact.body;
  const at = (field: { offset: number }): number => ChannelMessageHeader.$size + field.offset;
  assert.deepEqual([offer.interfaceId, offer.flags, offer.userDefined, offer.subChannelIndex, offer.relid,
    offer.monitorId, offer.isDedicatedInterrupt, offer.connectionId].map(at),
  [8, 56, 60, 180, 184, 188, 190, 192]);
  const opened = [open.ringGpadl, open.targetVp, open.downstreamPageOffset, open.userData];
  assert.deepEqual(opened.map(at), [16, 20, 24, 28]);
  const contacted = [contact.targetVp, contact.sint, contact.featureFlags, contact.monitorPage1];
  assert.deepEqual(contacted.map(at), [12, 16, 20, 24]);
  assert.deepEqual([RingControl.pendingSendSize.offset, RingControl.featureBits.offset], [12, 64]);
  assert.deepEqual([PacketDescriptor.$size, PipeHeader.$size], [16, 8]);
});

test('a trace names the message and its fields, whatever the bytes', () => {
  const { OpenChannelResult } = CHANNEL_MESSAGES;
  const message = channelMessage(OpenChannelResult, { relid: 3, openId: 3, status: 0xc000_0001 });
  assert.equal(describeMessage(message), 'OPENCHANNEL_RESULT relid 3 openId 3 status 0xc0000001');
  assert.equal(describeMessage(Uint8Array.of(77, 0, 0, 0, 0, 0, 0, 0)), 'message 77, 8 bytes');
  assert.equal(describeMessage(Uint8Array.of(1)), 'a message of 1 bytes');
});

test('the page of documentation is the one that the table makes', () => {
  const page = readFileSync(new URL('../../../../docs/vmbus-messages.md', import.meta.url), 'utf8');
  assert.equal(page, messagePage(), 'write what messagePage() returns to docs/vmbus-messages.md');
});

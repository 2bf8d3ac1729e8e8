import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hypercallName } from './hypercalls.ts';
import { HvMsr, hvMsrName } from './msrs.ts';
import { ReferenceTscPage } from './reference-tsc.ts';
import { MESSAGE_PAYLOAD_MAX, MESSAGE_SLOT_SIZE, MessageHeader, TimerMessagePayload } from './synic.ts';

test('each register has a name, and those that come in rows their number', () => {
  const names: [number, string | undefined][] = [
    [0x4000_0000, 'HV_X64_MSR_GUEST_OS_ID'], [0x4000_0092, 'HV_X64_MSR_SINT2'],
    [0x4000_00b0, 'HV_X64_MSR_STIMER0_CONFIG'], [0x4000_00b7, 'HV_X64_MSR_STIMER3_COUNT'],
    [0x4000_0103, 'HV_X64_MSR_CRASH_P3'], [0x4000_0105, 'HV_X64_MSR_CRASH_CTL'], [0x4000_0004, undefined],
  ];
  for (const [index, name] of names) assert.equal(hvMsrName(index), name);
  for (const index of Object.values(HvMsr)) assert.notEqual(hvMsrName(index), undefined);
  assert.equal(hypercallName(0x5d), 'HvCallSignalEvent');
  assert.equal(hypercallName(0x1234), 'hypercall 0x1234');
});

test('fields lie where the specification has them', () => {
  assert.deepEqual(
    [ReferenceTscPage.tscSequence.offset, ReferenceTscPage.tscScaleLow.offset, ReferenceTscPage.tscOffsetLow.offset],
    [0, 8, 16]);
  const { payloadSize, messageFlags } = MessageHeader;
  assert.deepEqual([payloadSize.offset, messageFlags.offset, MessageHeader.$size], [4, 5, 16]);
  assert.deepEqual([TimerMessagePayload.expirationTimeLow.offset, TimerMessagePayload.$size], [8, 24]);
  assert.equal(MessageHeader.$size + MESSAGE_PAYLOAD_MAX, MESSAGE_SLOT_SIZE);
});

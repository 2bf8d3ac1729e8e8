/**
 * `--deterministic SEED` of `partout boot`, with `--record` and `--replay`: what a run that can be had twice follows
 * from, and what it cannot have.
 */

import { OperatingError } from '../kit/errors.ts';
import type { DeterministicDescription } from '../machine/description.ts';
import type { Invocation } from './command.ts';

const MAXIMUM_SEED = 2n ** 64n - 1n;

export function deterministicOf(invocation: Invocation): DeterministicDescription | undefined {
  const text = invocation.value('deterministic');
  const [recordFile, replayFile] = [invocation.value('record'), invocation.value('replay')];
  if (text === undefined) {
    if (invocation.has('lockstep'))
      throw new OperatingError('usage', '--lockstep needs --deterministic SEED: nobody else may write to the memory');
    if (recordFile === undefined && replayFile === undefined) return undefined;
    throw new OperatingError('usage', '--record and --replay need --deterministic SEED: only such runs repeat');
  }
  const seed = /^\d{1,20}$/.test(text) ? BigInt(text) : MAXIMUM_SEED + 1n;
  if (seed > MAXIMUM_SEED) {
    throw new OperatingError('usage', `--deterministic is a whole number of up to 64 bits such as 1, not ${text}`);
  }
  if (recordFile !== undefined && replayFile !== undefined) {
    throw new OperatingError('usage', '--record writes down what is typed and --replay types it: give one of them');
  }
  refuseTheWorld(invocation);
  const lockstep = invocation.has('lockstep');
  return { seed, lockstep, ...(recordFile && { recordFile }), ...(replayFile && { replayFile }) };
}

/** What answers when it likes: other processors, disks, the network. */
function refuseTheWorld(invocation: Invocation): void {
  const why = 'which is at no place of the run that could be found again';
  if (Number(invocation.value('cpus')) > 1) {
    throw new OperatingError('unsupported', `--deterministic has one processor: others do things at a time, ${why}`);
  }
  if (invocation.values('disk').length > 0) {
    throw new OperatingError('unsupported', `--deterministic has no disks yet: they answer at a time, ${why}`);
  }
  if (invocation.values('nic').some((nic) => nic !== 'none')) {
    throw new OperatingError('unsupported', `--deterministic has no network: it answers at a time, ${why}`);
  }
}

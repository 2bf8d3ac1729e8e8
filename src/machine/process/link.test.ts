import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatingError } from '../../kit/errors.ts';
import { Link } from './link.ts';
import { localPorts } from './link-ports.ts';

interface Adder {
  add(a: number, b: number): Promise<number>;
  refuse(): void;
  break(): void;
  never(): Promise<void>;
}

function linked(): { link: Link<Adder>; other: Link<Adder> } {
  const [mine, its] = localPorts();
  const calls = {
    add: async (a: number, b: number) => a + b,
    refuse: () => { throw new OperatingError('guest', 'not now'); },
    break: () => { throw new TypeError('a mistake'); },
    never: () => new Promise<void>(() => {}),
  };
  return { link: new Link<Adder>(mine, {}), other: new Link<Adder>(its, calls) };
}

test('a call is answered with what the other end gives', async () => {
  const { link } = linked();
  assert.deepEqual(await Promise.all([link.call('add', 1, 2), link.call('add', 3, 4)]), [3, 7]);
  link.close();
});

test('what fails there fails here, an operating error as one', async () => {
  const { link } = linked();
  await assert.rejects(link.call('refuse'), (error) =>
    error instanceof OperatingError && error.code === 'guest' && error.message === 'not now');
  await assert.rejects(link.call('break'), /a mistake/);
  link.close();
});

test('only what the other end offers can be called', async () => {
  const { link } = linked();
  await assert.rejects(link.call('toString' as 'never'), /there is no toString/);
  link.close();
});

test('when the other end goes, open and later calls fail', async () => {
  const { link, other } = linked();
  const open = assert.rejects(link.call('never'), /not there any more/);
  other.close();
  await link.closed;
  await open;
  await assert.rejects(link.call('add', 1, 2), /not there any more/);
});
